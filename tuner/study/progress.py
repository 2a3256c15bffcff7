"""How far a study is, at one moment: what a display shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.experiment.settle import last_epoch
from tuner.gain import Outlook
from tuner.study.study import Study
from tuner.trial.cells import State


@dataclass(frozen=True)
class Running:
    """A cell that trains: its trial and fold, the epoch that it has reported, and its curve.

    `limit` is the most epochs that it may train, None where nothing says.
    """

    trial: int
    fold: int
    epoch: int
    limit: int | None
    curve: tuple[float, ...]


@dataclass(frozen=True)
class Placed:
    """A trial among the best."""

    trial: int
    value: float
    epochs: int
    state: State
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """A study at one moment. Times are in seconds; `reports` counts epochs, of all attempts.

    `paused` trials are RUNNING and wait to be promoted. `saved` are the epochs that stopped trials
    did not train of those that they might have. `outlook` says what more trials would gain, where
    the search ends by that.
    """

    metric: str
    cells: int
    total: int
    states: Mapping[State, int]
    paused: int
    running: tuple[Running, ...]
    best: tuple[Placed, ...]
    elapsed_s: float
    reports: int
    trained: int
    saved: int
    outlook: Outlook | None = None

    @property
    def ended(self) -> int:
        """Trials that have ended."""
        return sum(self.states.values()) - self.states.get(State.RUNNING, 0)

    @property
    def left_s(self) -> float | None:
        """Seconds left, if those trials that are left take as long as those that ended, so many at
        a time; None before one has ended."""
        left = self.total - self.ended
        if self.outlook is not None and self.outlook.converged:
            left = self.states.get(State.RUNNING, 0)
        return self.elapsed_s / self.ended * left if self.ended else None


def progress_of(study: Study, top: int = 5) -> Progress:
    """How far a study is now."""
    with study.held():
        records = study.records
        limits = [last_epoch(study.experiment, record.params) for record in records]
        trained = saved = 0
        for record, limit in zip(records, limits, strict=True):
            if record.shared_with is None:
                ends = [max(curve, default=record.born) for curve in record.curves.values()]
                trained += sum(ends) - record.born * len(ends)
            ended = record.state in (State.STOPPED, State.DIVERGED) and not record.why
            if ended and limit is not None:
                saved += limit * study.cells - record.born - record.epochs
        return Progress(
            metric=study.metric,
            cells=study.cells,
            total=study.total,
            states=study.counts(),
            paused=sum(record.set_aside for record in records),
            running=tuple(
                Running(key.trial, key.fold, cell.epochs, cell.cell.epochs, _curve(cell.values))
                for key, cell in sorted(study.open.items())
                if key in study.out
            ),
            best=tuple(
                Placed(r.trial, r.value, max(map(len, r.curves.values())), r.state, r.params)
                for r in study.ranked()[:top]
                if r.value is not None
            ),
            elapsed_s=study.clock() - study.started,
            reports=study.order,
            trained=trained,
            saved=saved,
            outlook=study.outlook(),
        )


def _curve(values: Mapping[int, float]) -> tuple[float, ...]:
    return tuple(values[epoch] for epoch in sorted(values))

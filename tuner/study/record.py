"""What the study knows of a trial, and how its cells make up its state and value."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.study.cell_result import CellResult
from tuner.study.lineage import Parent
from tuner.study.value import Value, best_epoch, mean_of
from tuner.trial.cells import Cell, State


@dataclass(slots=True, eq=False)
class Record:
    """One trial: its last attempt, the cells that have ended, and those that have not.

    `waiting`, `running` and `paused` hold the folds that have not ended, `held` the epoch at which
    each was last paused: a new attempt goes on from there. `curves` holds the searched metric by
    fold and epoch. `windows` are those that its legs were given out in, `shared_with` the trial
    whose training it shared, `parent` the one whose weights it went on from; `why` was said as
    another took its place. `scores` hold the values of several goals and `violations` those of
    the constraints, as `curves` do. `sign` is 1 where the metric is minimised, else -1;
    `takes_best` says whether the value is that of the best epoch, else the last one's.
    """

    trial: int
    params: dict[str, Any]
    seed: int
    attempt_id: int
    attempt: int = 1
    state: State = State.RUNNING
    started_at: float | None = None
    waiting: list[int] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    held: dict[int, int] = field(default_factory=dict)
    cells: dict[int, CellResult] = field(default_factory=dict)
    curves: dict[int, dict[int, float]] = field(default_factory=dict)
    scores: dict[int, dict[int, tuple[float, ...]]] = field(default_factory=dict)
    violations: dict[int, dict[int, float]] = field(default_factory=dict)
    ended_early: bool = False
    windows: list[int] = field(default_factory=list)
    shared_with: int | None = None
    parent: Parent | None = None
    why: str = ""
    raises: int = 0
    deaths: int = 0
    failed_in: set[tuple[int, bool]] = field(default_factory=set)
    sign: float = 1.0
    takes_best: bool = False
    _value: Value | None = None

    def note_failure(self, *, died: bool) -> None:
        """Count a raise, or a worker's death, once an attempt: one worker may hold many cells."""
        if (self.attempt, died) not in self.failed_in:
            self.failed_in.add((self.attempt, died))
            self.deaths += died
            self.raises += not died

    def note_start(self) -> None:
        """The trial began when the first of its ended cells did."""
        starts = [c.started_at for c in self.cells.values() if c.started_at is not None]
        self.started_at = min(starts, default=self.started_at)

    def cell(self, fold: int, seed: int, epochs: int | None) -> Cell:
        """One of the trial's cells, as it is given out now; `epochs` is the last it may train."""
        start = self.held.get(fold, 0)
        return Cell(self.trial, self.attempt, fold, self.params, seed, epochs, start)

    @property
    def born(self) -> int:
        """The epochs of its weights that others had trained before it began."""
        return 0 if self.parent is None else self.parent.epoch

    def forget_value(self) -> None:
        """Something that the value follows from has changed."""
        self._value = None

    @property
    def value(self) -> float | None:
        """What the trial is judged by, by what it has reported so far; None without a value."""
        return self._settled().value

    @property
    def value_std(self) -> float | None:
        """Standard deviation of the value over the cells (ddof 0); None for a single one."""
        return self._settled().std

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the value; None where its folds' values are of several epochs."""
        return self._settled().epoch

    @property
    def values(self) -> tuple[float, ...]:
        """The values of several goals, all of one epoch; empty with one, or without a value."""
        return self._settled().scores

    @property
    def violation(self) -> float:
        """How far the trial is from keeping the constraints at its value's epoch; 0 if it does."""
        return self._settled().violation

    @property
    def feasible(self) -> bool:
        """Whether the trial keeps the constraints, as far as its value says."""
        return self.violation <= 0

    @property
    def epochs(self) -> int:
        """Epochs trained, over all cells."""
        return sum(cell.epochs for cell in self.cells.values())

    @property
    def rung(self) -> int:
        """Epoch of the last rung passed, else 0."""
        return max((cell.rung for cell in self.cells.values()), default=0)

    @property
    def duration_s(self) -> float:
        """Seconds of work, over all cells."""
        return math.fsum(cell.duration_s for cell in self.cells.values())

    @property
    def waited_s(self) -> float | None:
        """Seconds from when its cells were given out until their workers began with them."""
        return self._sum("waited_s")

    @property
    def setup_s(self) -> float | None:
        """Seconds of work until the first `model.fit` began."""
        return self._sum("setup_s")

    @property
    def trace_s(self) -> float | None:
        """Seconds of work in which fits got their programs."""
        return self._sum("trace_s")

    @property
    def train_s(self) -> float | None:
        """Seconds of work until the last report, but for the ones before."""
        return self._sum("train_s")

    def _sum(self, phase: str) -> float | None:
        known = [getattr(cell, phase) for cell in self.cells.values()]
        known = [seconds for seconds in known if seconds is not None]
        return math.fsum(known) if known else None

    @property
    def peak_rss_mb(self) -> float | None:
        peaks = [cell.peak_rss_mb for cell in self.cells.values() if cell.peak_rss_mb is not None]
        return max(peaks, default=None)

    @property
    def host(self) -> str:
        """The hosts that ran its cells."""
        return ", ".join(sorted({cell.host for cell in self.cells.values() if cell.host}))

    @property
    def worker(self) -> str:
        """The processes that trained its cells, by their numbers on their hosts."""
        return ", ".join(sorted({cell.worker for cell in self.cells.values() if cell.worker}))

    @property
    def trained_by(self) -> str:
        """What trained its cells: program, lanes or fit."""
        return ", ".join(sorted({c.trained_by for c in self.cells.values() if c.trained_by}))

    @property
    def trained_why(self) -> str:
        """Why the first of its cells that Keras' own fit trained was."""
        return next((c.trained_why for c in self.cells.values() if c.trained_why), "")

    @property
    def error(self) -> str | None:
        """The first cell's error, where one has any."""
        return next((cell.error for cell in self.cells.values() if cell.error), None)

    @property
    def busy(self) -> bool:
        """Whether a cell runs, or waits for a worker."""
        return bool(self.running or self.waiting)

    @property
    def failed(self) -> bool:
        """Whether a cell has failed in this attempt, and none has ended the trial early."""
        states = {cell.state for cell in self.cells.values()}
        return State.FAILED in states and not states & {State.DIVERGED, State.STOPPED}

    @property
    def set_aside(self) -> bool:
        """Whether the whole trial waits to be promoted."""
        return bool(self.paused) and not (self.busy or self.ended_early or self.failed)

    def conclusion(self, cells: int) -> State:
        """The state that the ended cells make up, of `cells` in all, none running any more."""
        states = {cell.state for cell in self.cells.values()}
        for state in (State.DIVERGED, State.STOPPED, State.FAILED):
            if state in states:
                return state
        return State.COMPLETE if len(self.cells) == cells else State.STOPPED

    def _settled(self) -> Value:
        if self._value is None:
            self._value = self._settle()
        return self._value

    def ranks(self, cells: int) -> bool:
        """Whether it may be the best, once it has a value: feasible, and of all its cells."""
        return self.feasible and sum(map(bool, self.curves.values())) == cells

    def _settle(self) -> Value:
        if self.state in (State.DIVERGED, State.FAILED):
            return Value()
        if self.state is State.RUNNING:
            return self._of_one(self.curves.get(0, {})) if len(self.curves) == 1 else Value()
        ended = [cell for _, cell in sorted(self.cells.items()) if cell.value is not None]
        if len(ended) == 1:
            one = ended[0]
            return Value(one.value, None, one.best_epoch, one.scores, one.violation)
        folds = [fold for fold, curve in sorted(self.curves.items()) if curve]
        if self.takes_best and len(folds) == len(ended):
            return self._of_mean(folds)
        values = [cell.value for cell in ended if cell.value is not None]
        epochs = {cell.best_epoch for cell in ended}
        epoch = epochs.pop() if len(epochs) == 1 else None
        violation = max((cell.violation for cell in ended), default=0.0)
        return mean_of(values, epoch, [cell.scores for cell in ended], violation)

    def _of_one(self, curve: Mapping[int, float]) -> Value:
        if not curve:
            return Value()
        epoch = best_epoch(curve, self.sign) if self.takes_best else max(curve)
        scores = self.scores.get(0, {}).get(epoch, ())
        return Value(curve[epoch], None, epoch, scores, self.violations.get(0, {}).get(epoch, 0.0))

    def _of_mean(self, folds: Sequence[int]) -> Value:
        """One epoch for all folds: the one at which their mean is best."""
        curves = [self.curves[fold] for fold in folds]
        common = set.intersection(*(set(curve) for curve in curves))
        means = {epoch: statistics.fmean(c[epoch] for c in curves) for epoch in common}
        if not means:
            return Value()
        epoch = best_epoch(means, self.sign)
        scores = [self.scores.get(fold, {}).get(epoch, ()) for fold in folds]
        violation = max(self.violations.get(fold, {}).get(epoch, 0.0) for fold in folds)
        return mean_of([curve[epoch] for curve in curves], epoch, scores, violation)


def ranked(records: Iterable[Record], cells: int) -> list[Record]:
    """The trials that have a value on all of their cells, the best first, the earliest of equals.

    Stopped and paused trials count too, infeasible ones do not. With several goals the value is the
    first one's.
    """
    whole = [(r.value, r) for r in records if r.ranks(cells)]
    known = [(r.sign * value, r.trial, r) for value, r in whole if value is not None]
    return [record for _, _, record in sorted(known, key=lambda one: one[:2])]

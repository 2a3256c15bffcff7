"""A cell that has not ended: what it reported, and what its end makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuner.experiment.experiment import Experiment
from tuner.study.cell_result import CellResult
from tuner.study.value import best_epoch
from tuner.trial.cells import NOBODY, By, Cell, Ending, Outcome, State


def lost_metric(goals: Sequence[str], metrics: Mapping[str, float]) -> str:
    """The first of the goals that is not finite in a report; the first one where all are."""
    lost = (name for name in goals if not math.isfinite(metrics.get(name, 0.0)))
    return next(lost, goals[0])


def _known(seconds: float | None, *, if_: bool) -> float | None:
    """Seconds to the millisecond, where they are known."""
    return round(seconds, 3) if if_ and seconds is not None else None


@dataclass(eq=False)
class OpenCell:
    """`values` holds the searched metric by epoch; `end` is set once the study ended the cell.

    `scores` holds the values of several goals by epoch, `violations` those of the constraints that
    are not kept, and `unknown` why they could not be told. `metrics` are the last of each name.

    `opened_at` is when it was first given out, in seconds since the Unix epoch; `time_s` is its
    last report's, and `began_at` when its training began, by the first report. `why` says what
    ended it, where that is a metric's value. `ahead_s` is by how much an epoch took longer than
    when it was trained again: its seconds go on from the first time. `by` is who trains it. The
    first `born` of its epochs are others'.
    """

    cell: Cell
    opened_at: float
    values: dict[int, float]
    scores: dict[int, tuple[float, ...]] = field(default_factory=dict)
    violations: dict[int, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    born: int = 0
    time_s: float = 0.0
    rung: int = 0
    end: State | None = None
    why: str | None = None
    ahead_s: float = 0.0
    began_at: float | None = None
    paused: bool = False
    by: By = NOBODY
    unknown: str | None = None

    def take(
        self, epoch: int, metrics: Mapping[str, float], time_s: float, at: float | None
    ) -> None:
        """Note that a report came, `at` seconds since the Unix epoch."""
        if self.began_at is None and at is not None:
            self.began_at = max(self.opened_at, at - time_s)
        self.epochs = epoch
        self.time_s = time_s
        self.metrics.update(metrics)

    def result(
        self, outcome: Outcome, experiment: Experiment, sign: float, now: float
    ) -> CellResult:
        """What became of the cell, its work having ended in `outcome`."""
        state, error = self._state(outcome, [goal.metric for goal in experiment.goals])
        value = epoch = None
        scores: tuple[float, ...] = ()
        violation = 0.0
        if self.values and state in (State.COMPLETE, State.STOPPED):
            takes_best = experiment.value == "best"
            epoch = best_epoch(self.values, sign) if takes_best else max(self.values)
            value = self.values[epoch]
            scores = self.scores.get(epoch, ())
            violation = self.violations.get(epoch, 0.0)
            error = error or (self.unknown if violation > 0 else None)
        duration = outcome.duration_s
        # A cell may wait for its worker before its work begins.
        began = max(self.opened_at, now - duration) if duration > 0 else self.opened_at
        if self.paused:  # it trained in legs, and what lies between them does not count
            duration = max(duration, self.time_s)
            began = self.opened_at if self.began_at is None else self.began_at
        setup = self.by.setup_s if outcome.setup_s is None else outcome.setup_s
        trace = self.by.trace_s if outcome.trace_s is None else outcome.trace_s
        train = self.time_s - (setup or 0.0) - (trace or 0.0)
        return CellResult(
            state=state,
            attempt=self.cell.attempt,
            value=value,
            epochs=self.epochs - self.born,
            rung=self.rung,
            duration_s=duration,
            peak_rss_mb=None if math.isnan(outcome.peak_rss_mb) else outcome.peak_rss_mb,
            host=outcome.host or self.by.host,  # of a process that died its reports alone tell
            worker=outcome.worker or self.by.worker,
            error=error,
            started_at=began,
            best_epoch=epoch,
            trained_by=outcome.trained_by,
            trained_why=outcome.trained_why,
            scores=scores,
            violation=violation,
            waited_s=_known(began - self.opened_at, if_=duration > 0),
            setup_s=_known(setup, if_=duration > 0),
            trace_s=_known(trace, if_=duration > 0),
            train_s=_known(max(0.0, train), if_=duration > 0 and bool(self.metrics)),
        )

    def _state(self, outcome: Outcome, metrics: Sequence[str]) -> tuple[State, str | None]:
        if self.end is not None:  # decided already; how the function then ended does not matter
            return self.end, self.why
        if outcome.ending is not Ending.FINISHED:
            return State.FAILED, outcome.error
        if self.values:
            return State.COMPLETE, None
        if self.metrics:
            seen = ", ".join(self.metrics)
            metric = next((name for name in metrics if name not in self.metrics), metrics[0])
            return State.FAILED, f"metric {metric!r} was never reported; reported were: {seen}"
        return State.FAILED, (
            "the training function ended without reporting; call trial.report(epoch, metrics), "
            "use trial.callback(), or return a number"
        )

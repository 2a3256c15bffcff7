"""A cell in flight, as the study sees it: what its reports said, and what its end makes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from tuner.experiment.experiment import Experiment
from tuner.study.record import CellResult
from tuner.trial.cells import Cell, Ending, Outcome, State


@dataclass(eq=False)
class OpenCell:
    """`values` holds the searched metric by epoch; `end` is set once the study ended the cell.

    `opened_at` is when it was given out, in seconds since the Unix epoch.
    """

    cell: Cell
    opened_at: float
    values: dict[int, float] = field(default_factory=dict)
    metrics: dict[str, None] = field(default_factory=dict)
    epochs: int = 0
    rung: int = 0
    end: State | None = None

    def take(self, epoch: int, metrics: Iterable[str]) -> None:
        """Note that a report came."""
        self.epochs = epoch
        self.metrics.update(dict.fromkeys(metrics))

    def result(self, outcome: Outcome, experiment: Experiment, now: float) -> CellResult:
        """What became of the cell, its work having ended in `outcome`."""
        state, error = self._state(outcome, experiment.metric)
        value = None
        if self.values and state in (State.COMPLETE, State.STOPPED):
            best = max if experiment.direction == "maximize" else min
            last = self.values[max(self.values)]
            value = best(self.values.values()) if experiment.value == "best" else last
        return CellResult(
            state=state,
            attempt=self.cell.attempt,
            value=value,
            epochs=self.epochs,
            rung=self.rung,
            duration_s=outcome.duration_s,
            peak_rss_mb=None if math.isnan(outcome.peak_rss_mb) else outcome.peak_rss_mb,
            host=outcome.host,
            error=error,
            # A cell may wait for its worker before its work begins.
            started_at=max(self.opened_at, now - outcome.duration_s)
            if outcome.duration_s > 0
            else self.opened_at,
        )

    def _state(self, outcome: Outcome, metric: str) -> tuple[State, str | None]:
        if self.end is not None:  # decided already; how the function then ended is no matter
            return self.end, None
        if outcome.ending is not Ending.FINISHED:
            return State.FAILED, outcome.error
        if self.values:
            return State.COMPLETE, None
        if self.metrics:
            seen = ", ".join(self.metrics)
            return State.FAILED, f"metric {metric!r} was never reported; reported were: {seen}"
        return State.FAILED, (
            "the training function ended without reporting; call trial.report(epoch, metrics), "
            "use trial.callback(), or return a number"
        )

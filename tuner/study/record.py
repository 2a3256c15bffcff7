"""What the study knows of a trial, and how its cells make up its state and value."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tuner.trial.cells import State


@dataclass(frozen=True)
class CellResult:
    """What became of one cell; kept in the ledger as `fold:<i>`."""

    state: State
    attempt: int
    value: float | None
    epochs: int
    rung: int
    duration_s: float
    peak_rss_mb: float | None
    host: str
    error: str | None
    started_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """A form that Optuna's storages keep."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> CellResult:
        return cls(**{**form, "state": State(form["state"])})


@dataclass(slots=True, eq=False)
class Record:
    """One trial: its last attempt, the cells that have ended, and those that have not."""

    trial: int
    params: dict[str, Any]
    seed: int
    attempt_id: int
    attempt: int = 1
    state: State = State.RUNNING
    started_at: float | None = None
    waiting: list[int] = field(default_factory=list)
    running: set[int] = field(default_factory=set)
    cells: dict[int, CellResult] = field(default_factory=dict)
    ended_early: bool = False
    shared_with: int | None = None
    raises: int = 0
    deaths: int = 0
    failed_in: set[tuple[int, bool]] = field(default_factory=set)

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

    @property
    def value(self) -> float | None:
        """Mean of the cells' values; None for a trial without one."""
        values = self._values()
        return statistics.fmean(values) if values else None

    @property
    def value_std(self) -> float | None:
        """Standard deviation over the cells (ddof 0); None for a single one."""
        values = self._values()
        return statistics.pstdev(values) if len(values) > 1 else None

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
    def peak_rss_mb(self) -> float | None:
        peaks = [cell.peak_rss_mb for cell in self.cells.values() if cell.peak_rss_mb is not None]
        return max(peaks, default=None)

    @property
    def host(self) -> str:
        """The hosts that ran its cells."""
        return ", ".join(sorted({cell.host for cell in self.cells.values() if cell.host}))

    @property
    def error(self) -> str | None:
        """The first cell's error, where one has any."""
        return next((cell.error for cell in self.cells.values() if cell.error), None)

    def conclusion(self, cells: int) -> State:
        """The state that the ended cells make up, of `cells` in all, none running any more."""
        states = {cell.state for cell in self.cells.values()}
        for state in (State.DIVERGED, State.STOPPED, State.FAILED):
            if state in states:
                return state
        return State.COMPLETE if len(self.cells) == cells else State.STOPPED

    def _values(self) -> list[float]:
        if self.state not in (State.COMPLETE, State.STOPPED):
            return []
        return [cell.value for _, cell in sorted(self.cells.items()) if cell.value is not None]

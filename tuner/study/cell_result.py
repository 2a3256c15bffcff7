"""What became of one cell, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tuner.store.layout import PHASES
from tuner.trial.cells import State


@dataclass(frozen=True)
class CellResult:
    """What became of one cell; kept in the ledger as `fold:<i>`.

    `best_epoch` is the epoch of its value, of its `scores` (the values of several goals) and of its
    `violation` of the constraints (0: it keeps them). `falls_behind` says that fold racing ends its
    trial.
    """

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
    best_epoch: int | None = None
    falls_behind: bool = False
    trained_by: str = ""
    trained_why: str = ""
    worker: str = ""
    scores: tuple[float, ...] = ()
    violation: float = 0.0
    waited_s: float | None = None
    setup_s: float | None = None
    trace_s: float | None = None
    train_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """A form that Optuna's storages keep."""
        form = {f.name: getattr(self, f.name) for f in fields(self)}
        spared = {"scores": (), "violation": 0.0, **dict.fromkeys(PHASES)}
        return {n: v for n, v in form.items() if n not in spared or v != spared[n]}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> CellResult:
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in form.items() if name in known}
        scores = tuple(form.get("scores", ()))
        return cls(**{**given, "state": State(form["state"]), "scores": scores})

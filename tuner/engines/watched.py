"""A study that an engine is held to its promises at, and named where it breaks one."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from tuner.engines.contract import Study
from tuner.errors import EngineError
from tuner.trial.cells import NOBODY, By, Cell, CellKey, Decision, Outcome

SHOWN = 3
"""How many lost cells are named."""


class Watched:
    """Passes every call on to `study`; an engine's broken promise is an EngineError with its name.

    What is found: a report or an end of a cell that it does not hold, a report after a stop, and
    cells that are lost: asked for, and neither told nor set aside when the engine is done.
    """

    def __init__(self, study: Study, engine: str) -> None:
        self.experiment = study.experiment
        self._study = study
        self._engine = engine
        self._held: dict[CellKey, Cell] = {}
        self._stopped: set[CellKey] = set()
        self._lock = threading.Lock()  # some engines ask on a thread of its own

    @property
    def finished(self) -> bool:
        return self._study.finished

    def ask(self) -> Cell | None:
        cell = self._study.ask()
        if cell is not None:
            with self._lock:
                self._held[cell.key] = cell
                self._stopped.discard(cell.key)
        return cell

    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float, by: By = NOBODY
    ) -> Decision:
        self._check(cell, f"reported epoch {epoch} of")
        if cell.key in self._stopped:
            raise self._broken(f"reported epoch {epoch} of {_named(cell)} after it was stopped")
        decision = self._study.report(cell, epoch, metrics, time_s, by)
        if decision is Decision.STOP:
            self._stopped.add(cell.key)
        elif decision is Decision.PAUSE:
            with self._lock:
                del self._held[cell.key]
        return decision

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        self._check(cell, "told the end of")
        with self._lock:
            del self._held[cell.key]
        self._study.tell(cell, outcome)

    def check_nothing_lost(self) -> None:
        """Raise EngineError if the engine is done and the study is not."""
        if self._study.finished:
            return  # or a limit ended it, with cells in flight
        lost = [_named(cell) for cell in self._held.values()]
        names = ", ".join(lost[:SHOWN]) + (", ..." if len(lost) > SHOWN else "")
        raise self._broken(
            f"lost {len(lost)} cells: {names}" if lost else "ended before the study was finished"
        )

    def _check(self, cell: Cell, did: str) -> None:
        if cell.key not in self._held:
            raise self._broken(f"{did} {_named(cell)}, which it does not hold")

    def _broken(self, what: str) -> EngineError:
        return EngineError(f"engine {self._engine} {what}; an engine carries each cell once")


def _named(cell: Cell) -> str:
    return f"trial {cell.trial}, fold {cell.fold}"

"""A study that hands out given cells and keeps what it hears: enough brain to try an engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.experiment.experiment import Experiment
from tuner.trial.cells import NOBODY, By, Cell, Decision, Outcome

Report = tuple[int, Mapping[str, float]]


def cells(count: int, **params: Any) -> list[Cell]:
    """`count` cells, one a trial, whose parameter `i` is the trial's number."""
    return [
        Cell(trial=i, attempt=1, fold=0, params={"i": i, **params}, seed=i, epochs=3)
        for i in range(count)
    ]


class ScriptedStudy:
    """Asks in the order given. `decide(cell, epoch, metrics)` answers reports; `hear(event, cell)`
    sees every ask, report and tell; `limit` ends the study whatever is in flight; every `window`
    cells it waits until all were told.

    A cell that `decide` pauses is asked for again after all others. A report that was taken already
    is answered CONTINUE, and not kept twice.
    """

    def __init__(
        self,
        objective: Any,
        todo: Sequence[Cell],
        *,
        decide: Callable[[Cell, int, Mapping[str, float]], Decision] = (
            lambda cell, epoch, metrics: Decision.CONTINUE
        ),
        hear: Callable[[str, Cell], None] = lambda event, cell: None,
        limit: Callable[[], bool] = lambda: False,
        window: int | None = None,
        **fields: Any,
    ) -> None:
        self.experiment = Experiment(
            name="scripted",
            objective=objective,
            dataset=None,
            **{"space": {"i": 0}, "metric": "v", "direction": "maximize", **fields},
        )
        self.todo = list(todo)
        self.reports: dict[int, list[Report]] = {}
        self.told: list[tuple[Cell, Outcome]] = []
        self.again = 0
        self._taken: dict[tuple[int, int, int], int] = {}
        self._decide = decide
        self._hear = hear
        self._limit = limit
        self._window = window
        self._open: set[int] = set()
        self._lock = threading.RLock()

    @property
    def finished(self) -> bool:
        with self._lock:
            return self._limit() or not (self.todo or self._open)

    def ask(self) -> Cell | None:
        with self._lock:
            if self._limit() or not self.todo or (self._open and self._window_is_full()):
                return None
            cell = self.todo.pop(0)
            self._open.add(id(cell))
            self._hear("ask", cell)
            return cell

    def _window_is_full(self) -> bool:
        asked = len(self.told) + len(self._open)
        return self._window is not None and asked % self._window == 0

    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float, by: By = NOBODY
    ) -> Decision:
        with self._lock:
            attempt = (cell.trial, cell.fold, cell.attempt)
            if epoch <= self._taken.get(attempt, 0):
                self.again += 1
                return Decision.CONTINUE
            self._taken[attempt] = epoch
            self.reports.setdefault(cell.trial, []).append((epoch, metrics))
            self._hear("report", cell)
            decision = self._decide(cell, epoch, metrics)
            if decision is Decision.PAUSE:
                self._open.remove(id(cell))
                self.todo.append(replace(cell, start=epoch))
            return decision

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        with self._lock:
            self._open.remove(id(cell))
            self.told.append((cell, outcome))
            self._hear("tell", cell)

    def outcomes(self) -> dict[int, list[Outcome]]:
        """What was told, by trial."""
        found: dict[int, list[Outcome]] = {}
        for cell, outcome in self.told:
            found.setdefault(cell.trial, []).append(outcome)
        return found

"""Which worker has which paused training, and the cells that wait for their worker to be free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from tuner.trial.cells import Cell, CellKey


class Homes:
    """The driver's side of the parking: by a worker's id, whose training is parked there.

    A worker may have given one up meanwhile; it then trains it again from epoch 1, as any worker
    would.
    """

    def __init__(self) -> None:
        self._homes: dict[CellKey, str] = {}
        self._held: list[Cell] = []

    def park(self, cell: Cell, worker: str) -> None:
        """A worker sets a cell's training aside."""
        self._homes[cell.key] = worker

    def leave(self, cell: Cell) -> str | None:
        """The worker that a cell goes on at; None where nothing of it is kept."""
        return self._homes.pop(cell.key, None)

    def lose(self, worker: str) -> None:
        """A worker is gone, with all that was parked there."""
        self._homes = {key: home for key, home in self._homes.items() if home != worker}

    def unless_busy(self, cell: Cell, busy: Collection[str | None]) -> Cell | None:
        """The cell, unless it has to wait for a worker among the busy ones: it is kept then."""
        if not self._waits(cell, busy):
            return cell
        self._held.append(cell)
        return None

    def released(self, busy: Collection[str | None]) -> Cell | None:
        """A cell that was kept and has to wait no longer."""
        for cell in self._held:
            if not self._waits(cell, busy):
                self._held.remove(cell)
                return cell
        return None

    def _waits(self, cell: Cell, busy: Collection[str | None]) -> bool:
        home = self._homes.get(cell.key)
        return home is not None and home in busy

    def count(self, worker: str) -> int:
        """How many trainings are parked at a worker."""
        return Counter(self._homes.values())[worker]

    @property
    def total(self) -> int:
        """How many are parked in all."""
        return len(self._homes) + 1

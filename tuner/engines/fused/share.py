"""As many workers as there are places for: who leaves, and what their cells go on from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ray

from tuner.engines.duties import Deadlines, Places
from tuner.engines.fused.crew import Crew, Worker
from tuner.trial.cells import Cell, CellKey


class Share:
    """Workers above this study's share of a cluster leave. They end the epoch that they train, then
    their cells go on elsewhere from there: `moved` holds what from, a `Checkpoint` that Ray keeps.
    """

    def __init__(self, crew: Crew, places: Places, deadlines: Deadlines) -> None:
        self._crew = crew
        self._places = places
        self._deadlines = deadlines
        self.leaving: set[Worker] = set()
        self.moved: dict[CellKey, Any] = {}

    def follow(self, waiting: int, kept: Mapping[Worker, list[Any]], *, dry: bool) -> list[Cell]:
        """Have a worker for each place that can be used; where the cluster is shared, no more.

        `waiting` cells have no worker, `kept` is what a worker has set aside of paused ones, `dry`
        that the study has nothing to start. The cells come back that have lost their worker.
        """
        places = self._places.look()
        if places is None:
            return []
        if not self._places.shared:
            self._crew.grow(places)
            return []
        wanted = self._wanted(waiting, dry=dry)
        self._crew.grow(min(places, wanted))
        surplus = max(0, len(self._crew.workers) - places)
        self.leaving = set(sorted(self._crew.workers, key=self._readiness)[:surplus])
        moved = []
        for worker in self.leaving:
            if worker.calls == 0 or worker.call is None:
                moved += self._empty(worker, kept.get(worker, []))
        seconds = [self._deadlines.seconds(c) for w in self._crew.workers for c in w.held.values()]
        self._places.tell(len(self._crew.workers), wanted, seconds)
        return moved

    def _wanted(self, waiting: int, *, dry: bool) -> int:
        """How many workers could be used: with none at all the study is not even asked."""
        here = waiting + sum(len(worker.held) for worker in self._crew.workers)
        cells = max(1, here, 0 if dry else self._places.left)
        return -(-cells // self._crew.lanes)

    def _readiness(self, worker: Worker) -> tuple[bool, bool, int]:
        """Who leaves first: who leaves already, who still starts, who holds little."""
        return worker not in self.leaving, worker.calls > 0, len(worker.held)

    def _empty(self, worker: Worker, kept: list[Any]) -> list[Cell]:
        """Take the cells of a worker that waits, and end it once it has none. What `fit` trains
        there cannot be moved: it ends first."""
        moved: list[Cell] = []
        try:
            moved += (cell for cell in list(worker.held.values()) if self._take(worker, cell))
            if kept:
                ray.wait(kept, num_returns=len(kept))
        except ray.exceptions.RayActorError:
            return moved  # it has died: its next call says so
        if not worker.held:
            self._crew.end(worker)
        return moved

    def _take(self, worker: Worker, cell: Cell) -> bool:
        """Take a cell from a worker; whether it could be."""
        if cell.key in worker.fitted:
            return False
        if self._deadlines.has_begun(cell):
            kept = worker.actor.set_aside.remote(cell.key)
            if ray.get(kept) is None:
                worker.fitted.add(cell.key)
                worker.new.append(cell)  # it goes on where it is
                return False
            self.moved[cell.key] = kept
        worker.new = [one for one in worker.new if one is not cell]
        del worker.held[cell.key]
        self._deadlines.pause(cell)
        return True

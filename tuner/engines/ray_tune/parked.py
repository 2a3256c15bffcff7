"""The trainings that a worker has set aside, and how many of them its memory holds."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from tuner.engines.trainer import Trainer
from tuner.trial.cells import Cell, CellKey

MEGABYTE = 2**20


@dataclass(frozen=True)
class Parked:
    """A training that waits: its last epoch, and its loss then."""

    trainer: Trainer
    epoch: int
    loss: float

    def give_up(self) -> None:
        """End it, with all that it holds."""
        self.trainer.give_up()
        self.trainer.close()


class ParkingPlace:
    """Parked trainings by cell. Beyond `limit_mb` of the process' memory each newcomer takes the
    place of the least promising one: of the lowest epoch, and there of the highest loss."""

    def __init__(self, limit_mb: float) -> None:
        self._limit_mb = limit_mb
        self._parked: dict[CellKey, Parked] = {}

    def put(self, cell: Cell, trainer: Trainer, epoch: int, loss: float) -> None:
        """Keep a training that its trainer has parked."""
        orphan = self._parked.pop(cell.key, None)  # it went on elsewhere meanwhile
        if orphan is not None:
            orphan.give_up()
        self._parked[cell.key] = Parked(trainer, epoch, loss)
        if psutil.Process().memory_info().rss / MEGABYTE > self._limit_mb:
            self._parked.pop(self.least_promising()).give_up()

    def clear(self, limit_mb: float) -> None:
        """Give up all of them, and hold to another limit from now on."""
        for parked in self._parked.values():
            parked.give_up()
        self._parked.clear()
        self._limit_mb = limit_mb

    def take(self, cell: Cell) -> Trainer | None:
        """The trainer that has a cell's training; None where that was given up, or never here.

        What is further than the cell is to go on from belongs to an attempt that failed.
        """
        parked = self._parked.pop(cell.key, None)
        if parked is not None and parked.epoch > cell.start:
            parked.give_up()
            parked = None
        return None if parked is None else parked.trainer

    def least_promising(self) -> CellKey:
        """Whose training to give up first."""
        return min(self._parked, key=lambda key: (self._parked[key].epoch, -self._parked[key].loss))

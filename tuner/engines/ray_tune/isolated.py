"""The processes of trainings that are set aside, where each cell has one of its own."""

from __future__ import annotations

from tuner.engines.process import Trains
from tuner.forks.memory import private_mb
from tuner.forks.process import Forked
from tuner.trial.cells import Cell, CellKey


class Isolated:
    """Trainers by cell. Beyond `limit_mb` that they hold by themselves the oldest is ended."""

    def __init__(self, limit_mb: float) -> None:
        self._limit_mb = limit_mb
        self._aside: dict[CellKey, Trains] = {}

    def put(self, cell: Cell, trainer: Trains) -> None:
        """Keep the process of a cell that is set aside."""
        self._end(cell.key)  # it went on elsewhere meanwhile
        self._aside[cell.key] = trainer
        while self._aside and sum(map(_held_mb, self._aside.values())) > self._limit_mb:
            self._end(next(iter(self._aside)))

    def take(self, cell: Cell) -> Trains | None:
        """The process that has a cell's training; None where it was ended, or never here."""
        trainer = self._aside.pop(cell.key, None)
        return trainer if trainer is not None and trainer.is_alive() else None

    def _end(self, key: CellKey) -> None:
        trainer = self._aside.pop(key, None)
        if trainer is not None:
            trainer.end()


def _held_mb(trainer: Trains) -> float:
    return private_mb(trainer.pid) if isinstance(trainer, Forked) else 0.0

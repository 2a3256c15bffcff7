"""The trainings of a trainer's process: the one that goes on, and those that are set aside."""

from __future__ import annotations

import math
from typing import Any

from tuner.engines.process import loaded
from tuner.engines.ray_tune.bench import Bench
from tuner.engines.ray_tune.parked import ParkingPlace
from tuner.engines.shipping import Shipment
from tuner.engines.trainer import Epoch, Trainer
from tuner.trial.cells import Cell, Decision, Outcome


class Trainings:
    """Trains cells, one at a time, and keeps those that are set aside on threads of their own."""

    def __init__(self, shipped: Shipment, dataset: Any, host: str) -> None:
        """`dataset` is a Dataset, one that is mapped, or None."""
        self._bench = Bench(shipped, lambda: loaded(dataset), host)
        self._cell: Cell
        self._last = Epoch(0, {}, 0.0)
        self._trainer = self._new_trainer()
        self._idle: list[Trainer] = []
        self._parked = ParkingPlace(shipped.memory_mb)

    def warm_up(self) -> None:
        """Do ahead of the first cell what can be done."""
        self._trainer.warm_up()

    def serve(self, shipped: Shipment, dataset: Any, host: str) -> None:
        """Train for another run of the same objective: what is set aside will not go on."""
        self._parked.clear(shipped.memory_mb)
        self._bench.serve(shipped, lambda: loaded(dataset))

    def begin(self, cell: Cell) -> Epoch | Outcome:
        """Go on with a cell's training that is parked here, or begin one; its next report."""
        self._cell = cell
        parked = self._parked.take(cell)
        if parked is None:
            return self._heard(self._trainer.say(cell))
        self._idle.append(self._trainer)
        self._trainer = parked
        return self._heard(parked.say(Decision.CONTINUE))

    def go_on(self, decision: Decision) -> Epoch | Outcome:
        """What comes next after a report, of which the study has decided: a report, or the end."""
        return self._heard(self._trainer.say(decision))

    def set_aside(self) -> None:
        """Leave the training at its last report, so that another cell can begin."""
        self._trainer.park()
        last, shipped = self._last, self._bench.shipped
        value = last.metrics.get(shipped.metric, math.inf)
        self._parked.put(self._cell, self._trainer, last.epoch, shipped.sign * value)
        self._trainer = self._idle.pop() if self._idle else self._new_trainer()

    def _heard(self, said: Epoch | Outcome) -> Epoch | Outcome:
        if not isinstance(said, Outcome):
            self._last = said
        return said

    def _new_trainer(self) -> Trainer:
        bench = self._bench
        return Trainer(bench.train, lambda: bench.host, bench.warm_up)

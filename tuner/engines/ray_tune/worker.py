"""The worker's side of the Ray Tune engine: an actor that runs one cell after another.

A Tune trial is a cell until it ends or is paused. Tune calls `step` for each of its reports; the
training runs in a thread of its own and waits at each report for the next call, which brings the
study's decision. The thread lives as long as the worker, so what it has imported and built stays
warm. A paused cell's Tune trial ends, while its training stays here on its thread; the Tune trial
that carries the cell on finds it by the cell.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from tuner.engines.ray_tune.bench import Bench
from tuner.engines.ray_tune.parked import ParkingPlace
from tuner.engines.shipping import Shipment
from tuner.engines.trainer import Epoch, Trainer
from tuner.trial.cells import Cell, Decision, Outcome

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset

KEY = "tuner"
"""The one key of a result; what it holds does not concern Tune."""
CELL = "cell"


class Said(StrEnum):
    """What a worker says beside reports and outcomes: that it has imported what it needs, before
    its first cell; and that it has set a cell aside."""

    WARM = "warm"
    KEPT = "kept"


class CellWorker(tune.Trainable):
    """Runs cells. `shipped` and `dataset` lie in the object store: read there, not copied."""

    shipped: ray.ObjectRef[Shipment]
    dataset: ray.ObjectRef[Dataset] | None

    def setup(self, config: dict[str, Any]) -> None:
        shipped = ray.get(self.shipped)
        self._cell: Cell = config[CELL]
        self._new = True
        self._warm = False
        self._decision = Decision.CONTINUE
        self._last = Epoch(0, {}, 0.0)
        self._bench = Bench(shipped, self._load_dataset)
        self._trainer = self._new_trainer()
        self._idle: list[Trainer] = []
        self._parked = ParkingPlace(shipped.memory_mb)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._cell = new_config[CELL]
        self._new = True
        return True

    def stop_cell(self) -> None:
        """The study stops this cell: its report, which is waiting now, will say so."""
        self._decision = Decision.STOP

    def pause_cell(self) -> None:
        """The study pauses this cell: its training waits at its report until it goes on."""
        self._decision = Decision.PAUSE

    def step(self) -> dict[str, Any]:
        """The next report, (epoch, metrics, time_s), that the worker is warm, or what Tune is done
        with: the Outcome, or that the cell is set aside."""
        decision, self._decision = self._decision, Decision.CONTINUE
        if not self._warm:
            self._warm = True
            self._trainer.warm_up()
            return {KEY: Said.WARM}
        if self._new:
            said = self._begin()
        elif decision is Decision.PAUSE:
            self._set_aside()
            return {KEY: Said.KEPT, "done": True}
        else:
            said = self._trainer.say(decision)
        if isinstance(said, Outcome):
            return {KEY: said, "done": True}
        self._last = said
        return {KEY: said}

    def train(self) -> dict[str, Any]:
        """A step as it is, without the dozen values that Tune adds, analyses and keeps."""
        return self.step()

    def _begin(self) -> Epoch | Outcome:
        """Go on with the cell's training that is parked here, or begin one."""
        self._new = False
        parked = self._parked.take(self._cell)
        if parked is None:
            return self._trainer.say(self._cell)
        self._idle.append(self._trainer)
        self._trainer = parked
        return self._trainer.say(Decision.CONTINUE)

    def _set_aside(self) -> None:
        self._trainer.park()
        last, shipped = self._last, self._bench.shipped
        value = last.metrics.get(shipped.metric, math.inf)
        self._parked.put(self._cell, self._trainer, last.epoch, shipped.sign * value)
        self._trainer = self._idle.pop() if self._idle else self._new_trainer()

    def _new_trainer(self) -> Trainer:
        bench = self._bench
        return Trainer(bench.train, lambda: bench.host, bench.warm_up)

    def _load_dataset(self) -> Dataset | None:
        return None if self.dataset is None else ray.get(self.dataset)

"""Cells that lanes cannot train: they train by `fit`, one after the other, an epoch a call."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.fused.messages import Finished, Message, Trained
from tuner.engines.fused.worker_data import WorkerData
from tuner.engines.shipping import Shipment
from tuner.engines.trainer import Send, Trainer
from tuner.experiment.experiment import KerasModel
from tuner.training.kept_models import Keeper
from tuner.training.process import kept_type_policy
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, CellKey, Decision, Outcome


class PlainCells:
    """The cells of one worker that are in such a training, and those that are set aside in it.

    Each is parked in a thread of its own between its epochs.
    """

    def __init__(
        self,
        declaration: KerasModel,
        shipped: Shipment,
        data: WorkerData,
        keeper: Keeper,
        host: str,
    ) -> None:
        self._set_type_policy = kept_type_policy()
        self._declaration, self._shipped = declaration, shipped
        self._data, self._keeper, self._host = data, keeper, host
        self._training: dict[CellKey, Trainer] = {}
        self._new: dict[CellKey, Cell] = {}
        self._aside: dict[CellKey, Trainer] = {}

    def __contains__(self, key: CellKey) -> bool:
        return key in self._training

    def __bool__(self) -> bool:
        return bool(self._training)

    def add(self, cell: Cell) -> None:
        """Let a cell wait for its first epoch."""
        self._training[cell.key] = Trainer(self._fit, lambda: self._host)
        self._new[cell.key] = cell

    def set_aside(self, key: CellKey) -> None:
        """Leave a cell parked until `take_back`."""
        self._aside[key] = self._training.pop(key)

    def take_back(self, key: CellKey) -> bool:
        """Go on with a cell where it was set aside; whether it was."""
        if key not in self._aside:
            return False
        self._training[key] = self._aside.pop(key)
        return True

    def stop(self, key: CellKey) -> None:
        """End a cell's training here."""
        trainer = self._training.pop(key)
        if self._new.pop(key, None) is None:
            trainer.say(Decision.STOP)
        trainer.close()

    def epoch(self) -> Message:
        """Train the next epoch of the cell that came first: its report, or how it ended."""
        key, trainer = next(iter(self._training.items()))
        cell = self._new.pop(key, None)
        said = trainer.say(Decision.CONTINUE if cell is None else cell)
        if isinstance(said, Outcome):
            self._training.pop(key).close()
            return Finished(key, replace(said, host=self._host))
        trainer.park()  # lanes, and other cells, train before its next epoch
        return Trained(key, *said)

    def _fit(self, cell: Cell, send: Send) -> Outcome:
        self._set_type_policy()
        return run_cell(
            self._declaration,
            self._shipped.metric,
            cell,
            send,
            lambda: self._data.of_fold(cell.fold),
            self._shipped.folder(cell),
            self._shipped.checkpoint_every,
            fit=self._shipped.fit,
            exact=self._shipped.exact,
            keeper=self._keeper,
        )

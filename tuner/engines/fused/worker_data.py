"""What a worker trains on: all samples as one pool, and which rows of it a fold has."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data.splits import cell_data, cell_rows, judged_on_test
from tuner.engines.shipping import Shipment
from tuner.experiment.experiment import KerasModel
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset


class WorkerData:
    """The data of one worker. A search asks for fold 0 alone; a cross-validation asks for each fold
    again and again, so that they are kept."""

    def __init__(self, declaration: KerasModel, shipped: Shipment, dataset: Dataset) -> None:
        from tuner.lanes.lane import pool_of

        x, y = dataset.x_train, dataset.y_train
        if judged_on_test(shipped.splits):
            x, y = np.concatenate([x, dataset.x_test]), np.concatenate([y, dataset.y_test])
        self.pool = pool_of(declaration, x, y, dataset.n_classes)
        self.of_fold = lru_cache(maxsize=None)(
            lambda fold: cell_data(dataset, shipped.splits, fold)
        )
        self.rows = lru_cache(maxsize=None)(self._rows)
        self._dataset, self._shipped = dataset, shipped

    def shares_pool(self, other: WorkerData) -> bool:
        """Take the samples of another for its own where they are equal, so that what was traced for
        them holds; whether they are."""
        equal = all(
            mine.dtype == theirs.dtype and np.array_equal(mine, theirs)
            for mine, theirs in ((self.pool.x, other.pool.x), (self.pool.y, other.pool.y))
        )
        self.pool = other.pool if equal else self.pool
        return equal

    def _rows(self, fold: int) -> tuple[Any, Any]:
        """The pool's rows that a fold trains on, and those that it is judged on."""
        train, val = cell_rows(self._dataset, self._shipped.splits, fold)
        return train.astype(np.int32), val.astype(np.int32)

    def trial(self, cell: Cell) -> Trial:
        """The trial that a cell's declaration is built with."""
        folder = self._shipped.folder(cell)
        return Trial(cell, _unasked, lambda: self.of_fold(cell.fold), folder)


def _unasked(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
    """A declared training reports nothing by itself."""
    raise RuntimeError("a function of a KerasModel reported; the engine does that")

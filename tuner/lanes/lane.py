"""A lane's data: its samples, and the order in which it sees them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.programs.order import order_of_fit
from tuner.training.declared import targets_of

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial


Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Pool:
    """All samples that lanes train and are judged on: they stay in memory; cells are rows of them.

    `x` (n, ...) as the network takes it, `y` as the loss does.
    """

    x: npt.NDArray[Any]
    y: npt.NDArray[Any]


@dataclass
class Lane:
    """What one lane trains: its rows of the pool, its seed, the epochs it has had."""

    trial: Trial
    train: Rows
    val: Rows
    batch_size: int
    val_batch_size: int
    optimizer: keras.optimizers.Optimizer
    epochs: int = 0
    began: tuple[int, int] = (0, 0)

    @property
    def steps(self) -> int:
        """Updates that it has had: each epoch's batches, the last and smaller one included.

        It `began` after so many epochs and updates, which may have been in other batches.
        """
        epochs, steps = self.began
        return steps + (self.epochs - epochs) * -(-len(self.train) // self.batch_size)

    @property
    def shape(self) -> Hashable:
        """Lanes that train together agree on this: they take the same steps."""
        return (self.batch_size, self.val_batch_size, len(self.train), len(self.val))


def data_order(seed: int, rows: Rows) -> Rows:
    """The order of a training's samples, in every epoch: that of a `fit` of this seed."""
    return rows[order_of_fit(seed, len(rows))]


def pool_of(declaration: KerasModel, x: Any, y: Any, n_classes: int | None) -> Pool:
    """The pool of these samples, its targets as the declared loss wants them."""
    return Pool(np.asarray(x), np.asarray(targets_of(declaration, y, n_classes)))

"""What the trainings of a worker's process share."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

from tuner.engines.shipping import Shipment
from tuner.errors import DatasetError
from tuner.training.kept_models import Keeper
from tuner.trial.cells import Cell, Outcome

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset
    from tuner.data.splits import Data
    from tuner.engines.trainer import Send
    from tuner.experiment.experiment import Objective

FOLDS_BYTES = 1 << 30
"""How much memory a worker may spend on the folds that it has cut already."""


@dataclass
class Bench:
    """What the trainings of a worker share, each made when it is first needed."""

    shipped: Shipment
    load_dataset: Callable[[], Dataset | None]
    host: str
    """This node's address."""

    @cached_property
    def objective(self) -> Objective:
        """The objective, loaded in a process that has become a worker of its job."""
        from tuner.training import process

        shipped = self.shipped
        process.limit_threads(shipped.cpus)
        if shipped.keras or not shipped.gpus:  # what another library takes is its own matter
            process.limit_gpu_memory(shipped.gpus)
        if shipped.keras:
            process.warm_up()
        objective = shipped.objective()
        self._set_type_policy = process.kept_type_policy()
        gc.freeze()  # what lives as long as the worker need not be looked at after each trial
        return objective

    @cached_property
    def keeper(self) -> Keeper:
        """Keeps the weights of the best of this worker's trials."""
        return Keeper(self.shipped.keeping)

    def serve(self, shipped: Shipment, load_dataset: Callable[[], Dataset | None]) -> None:
        """Be the bench of another run of the same objective, which stays as it was loaded."""
        self.shipped, self.load_dataset = shipped, load_dataset
        for made in ("keeper", "load_fold"):
            vars(self).pop(made, None)

    def warm_up(self) -> None:
        """Load the objective ahead of the first cell, so that its time can begin after that.

        What this raises will end the cell, which loads it again.
        """
        with suppress(Exception, SystemExit):
            self.objective  # noqa: B018

    @cached_property
    def load_fold(self) -> Callable[[int], Data]:
        """Loads the data of a fold."""
        from tuner.data.splits import cell_data

        dataset = self.load_dataset()
        if dataset is None:

            def nothing(fold: int) -> Data:
                raise DatasetError(
                    "this experiment has none", field="dataset", way_out="declare one"
                )

            return nothing
        size = dataset.x_train.nbytes + dataset.y_train.nbytes
        kept = max(1, FOLDS_BYTES // max(1, size))
        # A search asks for fold 0 alone; a cross-validation for each again and again.
        return lru_cache(maxsize=kept)(lambda fold: cell_data(dataset, self.shipped.splits, fold))

    def train(self, cell: Cell, send: Send) -> Outcome:
        """Carry out a cell."""
        from tuner.training.run_cell import run_cell

        shipped = self.shipped
        objective = self.objective
        self._set_type_policy()
        load = partial(self.load_fold, cell.fold)
        folder, every = shipped.folder(cell), shipped.checkpoint_every
        return run_cell(
            objective,
            shipped.metric,
            cell,
            send,
            load,
            folder,
            every,
            fit=shipped.fit,
            exact=shipped.exact,
            keeper=self.keeper,
        )

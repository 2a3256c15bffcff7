"""What either engine is given: a study, and the job that it ships to every worker.

Nothing here imports Ray Tune, which takes a worker of the fused engine half a second.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tuner.store.layout import cell_folder
from tuner.trial.cells import Cell, Decision, Outcome

if TYPE_CHECKING:
    from tuner.data.splits import Splits
    from tuner.experiment.experiment import Experiment, Objective
    from tuner.experiment.loading import Source

WARM_UP_S = 60.0
"""What a worker's first cell may take beyond its time limit: it imports TensorFlow first."""
NODES_S = 3.0
"""How often to look whether nodes of a cluster came or went."""


class Study(Protocol):
    """What the engine needs of a study."""

    experiment: Experiment

    @property
    def finished(self) -> bool: ...
    def ask(self) -> Cell | None: ...
    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float
    ) -> Decision: ...
    def tell(self, cell: Cell, outcome: Outcome) -> None: ...


@dataclass(frozen=True)
class Job:
    """What every worker of a run needs; put into the object store once.

    `source` says where to load the objective; `objective` is the pickled function itself, for an
    experiment made in memory. `paths` are the driver's folders of modules; `files` is the folder
    below which each cell has its own, its checkpoints among them.
    """

    source: Source
    objective: bytes | None
    metric: str
    paths: tuple[str, ...]
    splits: Splits
    cpus: float
    gpus: float
    keras: bool
    files: Path | None = None
    checkpoint_every: int | None = None

    def folder(self, cell: Cell) -> Path | None:
        """Where a cell's own files lie."""
        if self.files is None:
            return None
        fold = cell.fold if self.splits.mode == "cv" else None
        return cell_folder(self.files, cell.trial, fold)


def objective_of(job: Job) -> Objective:
    """The objective of a run, loaded or unpickled in this worker."""
    from ray import cloudpickle

    from tuner.experiment.loading import load_source

    sys.path.extend(path for path in job.paths if path not in sys.path)
    if job.objective is not None:
        objective: Objective = cloudpickle.loads(job.objective)
        return objective
    return load_source(job.source).objective

"""What the fused engine's driver and its workers say to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuner.engines.contract import Job
from tuner.training.checkpoint import CheckpointFile
from tuner.trial.cells import Cell, Outcome
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras


Key = tuple[int, int]
"""A cell's trial and fold."""


@dataclass(frozen=True)
class Message:
    """A report of a cell; with an `outcome`, its end; with neither, epoch 0: it has a lane now."""

    key: Key
    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    time_s: float = 0.0
    host: str = ""
    outcome: Outcome | None = None


@dataclass
class Waiting:
    """A cell that has no lane yet."""

    trial: Trial
    model: keras.Model
    form: Any
    rows: tuple[Any, Any]
    batch_size: int

    @property
    def group(self) -> Any:
        """Cells that train together agree on this."""
        return (self.form, self.batch_size, *map(len, self.rows))


def checkpoint_of(job: Job, cell: Cell) -> CheckpointFile:
    """The checkpoint of a cell that is trained in lanes."""
    return CheckpointFile(job.folder(cell), cell, "lanes", job.checkpoint_every)

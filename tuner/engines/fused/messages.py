"""What a worker of the fused engine says to its driver, and what it holds for its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tuner.engines.fused.members import Inherited
from tuner.engines.shipping import Shipment
from tuner.training.checkpoint import CheckpointFile
from tuner.trial.cells import By, Cell, CellKey, Outcome
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras


class Began(NamedTuple):
    """A cell trains from now on: it has a lane, or `fit` has begun."""

    key: CellKey


class Trained(NamedTuple):
    """An epoch of a cell."""

    key: CellKey
    epoch: int
    metrics: dict[str, float]
    time_s: float
    by: By


class Finished(NamedTuple):
    """The end of a cell."""

    key: CellKey
    outcome: Outcome


Message = Began | Trained | Finished


class Worked(NamedTuple):
    """What a call brought: messages, and where the worker's seconds went; or that it is still
    `busy`. `here` says why it trains in its actor's own process, and is empty where it does not."""

    messages: Sequence[Message] = ()
    seconds: dict[str, float] = {}  # nobody writes to it
    busy: bool = False
    here: str = ""


@dataclass
class Waiting:
    """A cell that has no lane yet."""

    trial: Trial
    model: keras.Model
    form: Any
    rows: tuple[Any, Any]
    batch_size: int
    inherited: Inherited | None = None

    @property
    def group(self) -> Any:
        """Cells that train together agree on this."""
        return (self.form, self.batch_size, *map(len, self.rows))


def checkpoint_of(shipped: Shipment, cell: Cell) -> CheckpointFile:
    """The checkpoint of a cell that is trained in lanes."""
    return CheckpointFile(shipped.folder(cell), cell, "lanes", shipped.checkpoint_every)

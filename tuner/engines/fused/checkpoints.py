"""Where the checkpoints of lanes lie."""

from __future__ import annotations

from tuner.engines.shipping import Shipment
from tuner.training.checkpoint import CheckpointFile
from tuner.trial.cells import Cell


def checkpoint_of(shipped: Shipment, cell: Cell) -> CheckpointFile:
    """The checkpoint of a cell that is trained in lanes."""
    return CheckpointFile(shipped.folder(cell), cell, "lanes", shipped.checkpoint_every)

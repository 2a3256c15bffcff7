"""What a worker of the fused engine says to its driver, and what it holds for its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tuner.engines.fused.members import Inherited
from tuner.forks.process import ProcessDied
from tuner.trial.cells import By, CellKey, Outcome
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


class DiedIdle(ProcessDied):
    """A worker's process had ended before it was given its next work, with the cells it held."""


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


@dataclass
class Busy:
    """A cell that has a lane, since when, and `by` whom it is trained: from its first epoch on with
    the seconds that went by before."""

    lane: int
    began: float
    by: By

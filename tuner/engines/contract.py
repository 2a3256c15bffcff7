"""What an engine needs of a study, what it promises, and what it is given.

The study decides everything: which cell next (`ask`), what a report means (`report`), what became
of a cell (`tell`). An engine only places cells on workers, moves reports and survives failures; it
never judges a value.

An engine promises, and `tuner.testing.engines` tests a promise each:

1.  Every cell that it asked for is told once, or set aside for good by a PAUSE. (When the study is
    finished by a limit, or the engine is interrupted, the cells in flight are ended and not told.)
2.  A cell's reports come in the order of its epochs, and none comes after a STOP or a PAUSE.
3.  A cell that is lost with its worker is told as DIED, or carried again from its first epoch: the
    study answers CONTINUE to a report that it has taken already, and changes nothing.
4.  What ends its worker (a crash, a hang, all of the memory) costs its own trial alone. Cells that
    were lost beside it are carried again, and are not counted.
5.  PAUSE frees the cell's slot. A cell that `ask` gives out again, with `start` > 0, goes on from
    where it stood, or, where that is lost, trains again from epoch 1 to the same numbers.
6.  The same cells give the same numbers on any engine (lanes: but for rounding), however many train
    at a time.
7.  What the study raises ends the run and comes out of `run`, as it is.

The calls on the study may come from any one thread at a time, `ask` from another one beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tuner.trial.cells import NOBODY, By, Cell, Decision, Outcome

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset
    from tuner.data.splits import Splits
    from tuner.experiment.experiment import Experiment
    from tuner.experiment.loading import Source


class Study(Protocol):
    """What an engine needs of a study."""

    experiment: Experiment

    @property
    def finished(self) -> bool:
        """Whether the run is over: nothing is in flight or to be started, or a limit is reached."""
        ...

    def ask(self) -> Cell | None:
        """The next cell to carry; None when there is none to start right now."""
        ...

    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float, by: By = NOBODY
    ) -> Decision:
        """Take a report, `time_s` seconds of training after the cell began, and decide.

        `by` says who trains the cell, for one that is paused by it and never goes on.
        """
        ...

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """Take the end of a cell."""
        ...


class Engine(Protocol):
    """Runs studies; the promises stand at the head of this file."""

    def why_not(self) -> str | None:
        """Why this engine cannot carry its job, in words that follow "since"; None if it can.

        It is called before anything is asked of the study, and may start workers to find out.
        Raises EngineError when they cannot start.
        """
        ...

    def run(self, study: Study) -> None:
        """Carry cells until the study is finished. Raises whatever the study raised."""
        ...


@dataclass(frozen=True)
class Job:
    """What a run is: the same for every engine.

    `source` says where workers load the objective from. `files` is the folder below which each
    cell has its own, its checkpoints among them; without one cells keep no files.
    """

    experiment: Experiment
    source: Source
    splits: Splits
    dataset: Dataset | None = None
    files: Path | None = None


# ------------------------------------------------------------- the engines that we drive


class Reported(NamedTuple):
    """An epoch of a cell: its metrics, and the seconds that the cell has trained."""

    cell: Cell
    epoch: int
    metrics: Mapping[str, float]
    time_s: float
    by: By = NOBODY


class Ended(NamedTuple):
    """The end of a cell."""

    cell: Cell
    outcome: Outcome


Event = Reported | Ended


class Carrier(Protocol):
    """What carries cells for `drive`: it holds workers, and knows nothing of a study."""

    def has_room(self) -> bool:
        """Whether one cell more could start now."""
        ...

    def start(self, cell: Cell) -> None:
        """Begin a cell, or go on with one that was paused (`cell.start` > 0)."""
        ...

    def wait(self) -> Iterable[Event]:
        """What happened since the last call, in its order.

        It may wait a while for something to happen, and return nothing.
        """
        ...

    def is_stale(self, event: Event) -> bool:
        """Whether an event is of a cell that was stopped or paused meanwhile."""
        ...

    def stop(self, last: Reported) -> Outcome:
        """End a cell after this report of it; its end comes back and not as an event."""
        ...

    def pause(self, last: Reported) -> None:
        """Set a cell aside after this report of it, and keep what it needs to go on."""
        ...

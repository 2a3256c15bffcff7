"""What a scheduler is asked, and what it may answer.

A scheduler is a frozen dataclass of its options, and pure: the same cell, epoch, loss and board
give the same verdict. All that it may remember stands on the `Board`. A lower loss is better,
whatever the study's direction, and the study lets no NaN through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from tuner.schedulers.board import Board
from tuner.search_space.space import SearchSpace
from tuner.trial.cells import Cell, Decision


@dataclass(frozen=True)
class Verdict:
    """A scheduler's answer: the decision, the rung (an epoch) that it was taken at, and why.

    `why` is a line for whoever looks at the trial: "rung 9: 5th of 9, and 3 go on".
    """

    decision: Decision
    rung: int | None = None
    why: str = ""


GO_ON = Verdict(Decision.CONTINUE)


class Scheduler(Protocol):
    """Whether a cell goes on after a report. The board does not hold that report yet."""

    has_rungs: ClassVar[bool]
    """Whether its verdicts name rungs, which analysis shows."""
    pauses: ClassVar[bool]
    """Whether it answers PAUSE, and says by `promote` who goes on: see `Pausing`."""
    # `several_goals: ClassVar[bool] = True` says that it may judge a study of several: it then goes
    # by `board.ranking` alone, since `loss` is that of the first goal.

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        """Judge a report. A cell's epochs rise. At a cell's last epoch it must not stop it."""


@runtime_checkable
class Pausing(Protocol):
    """The scheduler of paused trials."""

    def promote(self, board: Board) -> int | None:
        """The paused trial that a free worker goes on with; None to start a new one."""


@runtime_checkable
class Finishing(Pausing, Protocol):
    """A scheduler that sees to it that a search ends with a trial that was trained to its end."""

    def finish(self, board: Board) -> int | None:
        """The paused trial to go on with once no trial is left to begin or to promote; None to end
        all that are paused."""


@dataclass(frozen=True)
class Successor:
    """A trial to be begun: it goes on from the weights that `parent` has at `epoch`, with `params`.

    It `replaces` another, which is ended where it is not yet; `why` says that in a line.
    """

    parent: int
    epoch: int
    replaces: int
    params: Mapping[str, Any]
    why: str


@runtime_checkable
class Populating(Pausing, Protocol):
    """A scheduler that begins trials of its own, with the weights of others: see `pbt`."""

    interval: int
    """Weights are kept after each so many epochs: a Successor's `epoch` is a multiple."""

    def succeed(self, board: Board) -> Successor | None:
        """The trial that is to be begun now; None if there is none."""

    def axes(self, space: SearchSpace) -> tuple[str, ...]:
        """The axes in which a Successor may differ from its parent."""


@dataclass(frozen=True)
class NeverStop:
    """The scheduler `none`: every trial reaches its last epoch."""

    has_rungs: ClassVar[bool] = False
    pauses: ClassVar[bool] = False
    several_goals: ClassVar[bool] = True

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        return GO_ON

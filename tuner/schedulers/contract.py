"""What a scheduler is asked, and what it may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tuner.trial.cells import Decision


@dataclass(frozen=True)
class Verdict:
    """A scheduler's answer: the decision, and the rung (an epoch) it was taken at, else 0."""

    decision: Decision
    rung: int = 0


GO_ON = Verdict(Decision.CONTINUE)


class Scheduler(Protocol):
    """What a study asks of a scheduler. A cell is known by its trial and fold."""

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        """Judge a report; epochs of one cell rise."""

    def withdraw(self, trial: int, fold: int) -> None:
        """Forget a cell's values, since a new attempt starts it over."""

    def close_window(self) -> None:
        """Let the values reported so far count in the decisions to come."""


class NeverStop:
    """The scheduler `none`: every trial reaches its last epoch."""

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        return GO_ON

    def withdraw(self, trial: int, fold: int) -> None:
        return None

    def close_window(self) -> None:
        return None

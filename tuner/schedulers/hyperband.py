"""Hyperband: brackets of successive halving."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from tuner.errors import ExperimentError
from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.schedulers.rungs import among_best, new_rung
from tuner.trial.cells import Cell


@dataclass(frozen=True)
class Hyperband:
    """Bracket s starts its rungs at `min_epochs * eta**s`, the last one near the last epoch.

    A trial's bracket is a function of its number alone; brackets get shares of the trials as
    Hyperband gives them. Where `last_epoch` is a power of eta, the last bracket stops nobody.
    Li et al., "Hyperband", JMLR 2018, algorithm 1. `last_epoch` is the study's where not given.
    """

    eta: int = 3
    min_epochs: int = 1
    last_epoch: int | None = None
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = False

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        bracket = self.bracket(cell.trial)
        rung = new_rung(cell, epoch, board, self.starts()[bracket], self.eta)
        if rung is None:
            return GO_ON
        return among_best(
            cell, rung, loss, board, self.eta, lambda trial: self.bracket(trial) == bracket
        )

    def starts(self) -> list[int]:
        """The first rung of each bracket. Raises ExperimentError without a last epoch."""
        if self.last_epoch is None:
            raise ExperimentError(
                "hyperband sizes its brackets by a trial's last epoch, and nothing says it",
                field="scheduler",
                way_out="give `epochs`",
            )
        starts = [self.min_epochs]
        while starts[-1] * self.eta <= self.last_epoch:
            starts.append(starts[-1] * self.eta)
        return starts

    def bracket(self, trial: int) -> int:
        """The trial's bracket. Multiples of the golden ratio spread trials evenly over shares."""
        return bisect.bisect(
            _shares(len(self.starts()), self.eta), (trial + 0.5) * 0.6180339887498949 % 1.0
        )

    def check(self) -> None:
        """Raises ExperimentError where the brackets cannot be sized."""
        self.starts()


@cache
def _shares(brackets: int, eta: int) -> list[float]:
    """The share of the trials that the brackets 0 to s have together, for each s."""
    sizes = [math.ceil(brackets / (s + 1) * eta**s) for s in range(brackets)][::-1]
    return [sum(sizes[: s + 1]) / sum(sizes) for s in range(brackets)]

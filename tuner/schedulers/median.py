"""The median stopping rule."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import ClassVar

from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.trial.cells import Cell, Decision

LEAST_OTHERS = 3
"""Fewer other cells than this at an epoch stop nobody: their median says little."""


@dataclass(frozen=True)
class Median:
    """A trial stops at an epoch from `min_epochs` on, below its last, if it falls behind there.

    It does if its best loss so far is worse than the median of the others' running averages at
    that epoch, each on the same fold. Golovin et al., "Google Vizier", KDD 2017, section 3.2.1.
    """

    min_epochs: int = 1
    has_rungs: ClassVar[bool] = False
    pauses: ClassVar[bool] = False

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        others = board.averages(cell.fold, epoch)
        at_end = cell.epochs is not None and epoch >= cell.epochs
        if epoch < self.min_epochs or at_end or len(others) < LEAST_OTHERS:
            return GO_ON
        best = min([*board.losses(cell.key).values(), loss])
        median = statistics.median(others)
        if best <= median:
            return GO_ON
        why = f"epoch {epoch}: loss {best:g} at best, and the median is {median:g}"
        return Verdict(Decision.STOP, why=why)

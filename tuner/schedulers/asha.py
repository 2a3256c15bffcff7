"""Asynchronous successive halving, as published: it pauses, and promotes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.schedulers.rungs import new_rung
from tuner.trial.cells import Cell, Decision


@dataclass(frozen=True)
class Asha:
    """A trial pauses at each rung, `min_epochs * eta**k` below its last epoch.

    A free worker goes on with the best paused trial among the best `n // eta` of a rung's n, from
    the highest rung down; only then a new trial starts. In a cross-validation a trial's value at a
    rung is its mean over all folds. Of equals the earlier trial is better. With several goals the
    best are the first fronts, and within one those that stand apart (`tuner.pareto.order`).
    Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, algorithm 2.
    """

    eta: int = 3
    min_epochs: int = 1
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = True
    several_goals: ClassVar[bool] = True

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        rung = new_rung(cell, epoch, board, self.min_epochs, self.eta)
        if rung is None:
            return GO_ON
        return Verdict(Decision.PAUSE, rung, f"rung {rung}: waits to be among the best")

    def promote(self, board: Board) -> int | None:
        for rung in reversed(board.rungs()):
            ranking = board.ranking(rung)
            for _, trial in ranking[: len(ranking) // self.eta]:
                if board.paused.get(trial) == rung:
                    return trial
        return None

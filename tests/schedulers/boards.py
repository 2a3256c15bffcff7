"""A board kept as a study keeps it, for tests of single schedulers."""

from __future__ import annotations

from typing import Any

from tuner.schedulers.board import Board
from tuner.schedulers.contract import Scheduler, Verdict
from tuner.trial.cells import Cell, CellKey


class Judged:
    """A scheduler with its board: `report` judges and notes."""

    def __init__(self, scheduler: Any, *, folds: int = 1, windowed: bool = False) -> None:
        self.scheduler: Scheduler = scheduler
        self.board = Board(folds=folds, windowed=windowed)

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None
    ) -> Verdict:
        cell = Cell(trial, 1, fold, {}, 0, last_epoch)
        self.board.enter(trial, cell.params)
        verdict = self.scheduler.judge(cell, epoch, loss, self.board)
        self.board.note(cell.key, epoch, loss, verdict.rung)
        return verdict

    def withdraw(self, trial: int, fold: int) -> None:
        self.board.withdraw(CellKey(trial, fold))

"""Asynchronous successive halving, the type that stops: what Ray Tune calls ASHA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.schedulers.rungs import among_best, new_rung
from tuner.trial.cells import Cell


@dataclass(frozen=True)
class AshaStopping:
    """Rungs at `min_epochs * eta**k` below a trial's last epoch; one in `eta` passes each.

    A trial is judged once at each rung, at the first report that reaches it, by the value reported
    there. `AsyncHyperBandScheduler` of Ray Tune; Li et al., MLSys 2020, describe the other type.
    """

    eta: int = 3
    min_epochs: int = 1
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = False

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        rung = new_rung(cell, epoch, board, self.min_epochs, self.eta)
        return GO_ON if rung is None else among_best(cell, rung, loss, board, self.eta)

"""Rungs, and the rule of those schedulers that stop at them."""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Callable

from tuner.schedulers.board import Board
from tuner.schedulers.contract import Verdict
from tuner.trial.cells import Cell, Decision


def rung_at(epoch: int, last_epoch: int | None, first: int, eta: int) -> int | None:
    """The highest of the rungs first * eta**k that `epoch` has reached; None at a trial's end."""
    if epoch < first or (last_epoch is not None and epoch >= last_epoch):
        return None
    rung = first
    while rung * eta <= epoch:
        rung *= eta
    return rung


def new_rung(cell: Cell, epoch: int, board: Board, first: int, eta: int) -> int | None:
    """The rung that this report is the cell's first to reach; None where it reaches none."""
    rung = rung_at(epoch, cell.epochs, first, eta)
    return None if rung is None or board.last_epoch(cell.key) >= rung else rung


def among_best(
    cell: Cell,
    rung: int,
    loss: float,
    board: Board,
    eta: int,
    belongs: Callable[[int], bool] | None = None,
) -> Verdict:
    """Go on if among the best `max(1, n // eta)` of the n trials that came to the rung; else stop.

    Ties at the cutoff go on. In a cross-validation a trial is compared by its mean over the folds
    that it has there, with those that have the same ones; who lacks one of them was stopped before
    and counts as worse, so that a trial is not judged more harshly with each fold. `belongs` says
    which trials are compared at all.
    """
    if board.folds == 1 and belongs is None:
        seen = board.seen(cell.fold, rung)
        better, count = bisect.bisect_left(seen, loss), len(seen) + 1
    else:
        own = {**board.own(cell.trial, rung), cell.fold: loss}
        value = statistics.fmean(own.values())
        others = {t for t in board.reached(rung) if belongs is None or belongs(t)} - {cell.trial}
        means = board.means(own, rung)
        better = sum(means[trial] < value for trial in others if trial in means)
        count = len(others) + 1
    go_on = max(1, count // eta)
    why = f"rung {rung}: {ordinal(better + 1)} of {count}, and {go_on} go on"
    return Verdict(Decision.CONTINUE if better < go_on else Decision.STOP, rung, why)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"

"""Fold racing: stop giving folds to a configuration that cannot be expected to win.

Bergman, Purucker, Hutter, "Don't Waste Your Time: Early Stopping Cross-Validation", AutoML 2024,
section 3. There every configuration begins with the same folds, and is compared with the mean, or
the worst fold, of all of the best one's. Where some folds are harder than others that stops
everybody at a hard fold, so here equal folds are compared: how much worse is a trial on the folds
that it has than the best trial was on the same ones?
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from tuner.study.cell_result import CellResult
from tuner.study.record import Record
from tuner.trial.cells import State


def is_out(losses: Mapping[int, float], incumbent: Mapping[int, float], rule: str) -> bool:
    """Whether a trial with these losses by fold (lower is better) is stopped.

    `incumbent` holds the losses of the best trial with all folds; empty, nobody is stopped.
    "aggressive" stops a trial that is no better than the incumbent on the same folds, "forgiving"
    one that is worse by more than the incumbent's worst fold is than its mean.
    """
    same = [fold for fold in losses if fold in incumbent]
    if rule == "none" or not same:
        return False
    behind = statistics.fmean(losses[fold] - incumbent[fold] for fold in same)
    if rule == "aggressive":
        return behind >= 0
    return behind > max(incumbent.values()) - statistics.fmean(incumbent.values())


def falls_behind(
    record: Record, fold: int, result: CellResult, incumbent: Mapping[int, float], rule: str
) -> bool:
    """Whether a trial gets no more folds after the end of this cell."""
    left = record.waiting or record.running - {fold}
    if not left or result.state is not State.COMPLETE or result.value is None:
        return False
    losses = {**fold_losses(record), fold: record.sign * result.value}
    return is_out(losses, incumbent, rule)


def fold_losses(record: Record) -> dict[int, float]:
    """A trial's losses on the folds that it has completed."""
    return {
        fold: record.sign * cell.value
        for fold, cell in sorted(record.cells.items())
        if cell.state is State.COMPLETE and cell.value is not None
    }


def better_on_folds(
    incumbent: Mapping[int, float], losses: Mapping[int, float]
) -> Mapping[int, float]:
    """The losses of the better of two trials with all folds, by their means; the first of equals.

    An incumbent without losses stands for nobody.
    """
    if incumbent and statistics.fmean(losses.values()) >= statistics.fmean(incumbent.values()):
        return incumbent
    return losses


def order_of_folds(count: int, incumbent: Mapping[int, float], rule: str) -> list[int]:
    """The order in which a trial gets its folds: racing begins with the most typical ones.

    These are the folds on which the incumbent came closest to its mean; a hard one, which says
    little of who is better, does not come first.
    """
    if rule == "none" or not incumbent:
        return list(range(count))
    mean = statistics.fmean(incumbent.values())
    return sorted(range(count), key=lambda fold: (abs(incumbent.get(fold, mean) - mean), fold))

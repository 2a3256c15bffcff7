"""Fold racing: stop giving folds to a configuration that cannot be expected to win.

Bergman, Purucker, Hutter, "Don't Waste Your Time: Early Stopping Cross-Validation", AutoML 2024,
section 3. Here folds of several configurations run at once; a decision looks at a trial's first
folds in order, so that which of them ended first does not matter.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tuner.study.record import Record
from tuner.trial.cells import State


def is_out(losses: Sequence[float], incumbent: Sequence[float], rule: str) -> bool:
    """Whether a trial with these fold losses (lower is better) is stopped.

    `incumbent` holds the fold losses of the best trial with all folds; empty, nobody is stopped.
    "forgiving" stops a mean worse than the incumbent's worst fold, "aggressive" a mean no better
    than the incumbent's mean.
    """
    if rule == "none" or not losses or not incumbent:
        return False
    mean = statistics.fmean(losses)
    if rule == "forgiving":
        return mean > max(incumbent)
    return mean >= statistics.fmean(incumbent)


def fold_losses(record: Record, sign: float) -> list[float]:
    """A trial's losses on folds 0, 1, ... up to the first that has not been completed."""
    losses: list[float] = []
    while (cell := record.cells.get(len(losses))) is not None and cell.state is State.COMPLETE:
        losses.append(sign * (cell.value or 0.0))
    return losses


def falls_behind(record: Record, incumbent: Sequence[float], sign: float, rule: str) -> bool:
    """Whether a trial with folds still to come is to get no more of them."""
    unfinished = bool(record.waiting or record.running)
    return unfinished and is_out(fold_losses(record, sign), incumbent, rule)

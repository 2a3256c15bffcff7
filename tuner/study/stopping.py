"""When a search has converged: what counts on its board, put to the estimate of `tuner.gain`.

It is a function of what counts, so a resumed study and a deterministic one at any concurrency come
to the same end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import most_epochs
from tuner.experiment.words import CONVERGED
from tuner.gain import Outlook, outlook
from tuner.schedulers.board import Board


def outlook_of(experiment: Experiment, board: Board) -> Outlook | None:
    """What more trials promise; None for a search that does not end by that."""
    if experiment.stop != CONVERGED:
        return None
    curves = board.curves()
    folds = [curve for cells in curves.values() for curve in cells]
    longest = most_epochs(experiment) or max((max(c) for c in folds if c), default=1)
    trained = sum(map(len, folds)) / (longest * board.folds)
    takes_best = experiment.value == "best"
    losses = []
    for trial in sorted({*curves, *board.diverged}):
        loss = math.inf if trial in board.diverged else _loss(curves[trial], takes_best)
        if loss is not None:
            losses.append(loss)
    return outlook(losses, trained, experiment.min_gain)


def _loss(cells: Sequence[Mapping[int, float]], takes_best: bool) -> float | None:
    """A trial's loss by its cells' curves; None while one has no epoch that all have."""
    common = set.intersection(*map(set, cells))
    means = {epoch: statistics.fmean(cell[epoch] for cell in cells) for epoch in common}
    if not means:
        return None
    return min(means.values()) if takes_best else means[max(means)]

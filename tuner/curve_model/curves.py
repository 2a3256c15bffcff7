"""What a model is told: the losses of trials at their rungs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tuner.curve_model.columns import Array

Places = NDArray[np.intp]
"""Places in a list of curves."""
GOLDEN = 0.6180339887498949
"""Of its multiples' fractions, those of any run of numbers lie evenly from 0 to 1."""


class Curve(NamedTuple):
    """One trial's: `losses` (lower is better) by rung, an epoch, of the rungs that it has reached.

    `trial` is its number, which orders trials by age.
    """

    trial: int
    params: Mapping[str, Any]
    losses: Mapping[int, float]
    diverged: bool = False


def rungs_to(last_epoch: int, eta: int = 3, min_epochs: int = 1) -> list[int]:
    """Rungs at `min_epochs * eta**k` below the last epoch, and the last epoch."""
    rungs = []
    while min_epochs < last_epoch:
        rungs.append(min_epochs)
        min_epochs *= eta
    return [*rungs, last_epoch]


class Point(NamedTuple):
    """A value that the model learns from: `trial` counts places in the list of curves."""

    place: int
    rung: int
    loss: float


def points_of(curves: Sequence[Curve], rungs: Sequence[int], most: int) -> list[Point]:
    """A point for each rung that a trial has reached, `most` of them at most.

    Two thirds are of trials past their first rung, the deepest and newest first; the others are
    the newest. A diverged trial counts as worst of all at the first rung and at the last.
    """
    depths = _depths(curves)
    deep, rest = _deep_and_rest(depths)
    deepest_first = deep[np.lexsort((-deep, -depths[deep]))]
    return _filled(curves, rungs, most, deepest_first, rest[: -most - 1 : -1])


def sample_of(curves: Sequence[Curve], rungs: Sequence[int], most: int) -> list[Point]:
    """As `points_of`, but spread evenly over the trials' ages.

    So a new value is seldom among them: the later, the seldomer.
    """
    spread = np.array([curve.trial for curve in curves]) * GOLDEN % 1.0
    deep, rest = (
        places[np.argsort(spread[places], kind="stable")[:most]]
        for places in _deep_and_rest(_depths(curves))
    )
    return _filled(curves, rungs, most, deep, rest)


def _depths(curves: Sequence[Curve]) -> Places:
    """How many rungs each curve [n] has reached; -1 for one that diverged."""
    return np.array([-1 if curve.diverged else len(curve.losses) for curve in curves], np.intp)


def _deep_and_rest(depths: Places) -> tuple[Places, Places]:
    """The places of the curves past their first rung, and of the others that have a point."""
    return np.flatnonzero(depths >= 2), np.flatnonzero((depths == 1) | (depths < 0))


def _filled(
    curves: Sequence[Curve], rungs: Sequence[int], most: int, deep: Places, rest: Places
) -> list[Point]:
    """`most` points of the curves at these places, in their order; two thirds are of the deep."""
    first = _points(curves, rungs, deep.tolist(), most)
    others = _points(curves, rungs, rest.tolist(), most)
    count = max(most * 2 // 3, most - len(others))
    return first[:count] + others[: most - len(first[:count])]


def _points(
    curves: Sequence[Curve], rungs: Sequence[int], places: Sequence[int], most: int
) -> list[Point]:
    points: list[Point] = []
    for place in places:
        if len(points) >= most:
            break
        curve = curves[place]
        if curve.diverged:
            points += [Point(place, rung, math.inf) for rung in sorted({rungs[0], rungs[-1]})]
        else:
            points += [Point(place, r, curve.losses[r]) for r in sorted(curve.losses, reverse=True)]
    return points


def normal_scores(losses: Sequence[float]) -> Array:
    """Quantiles of the normal distribution at the losses' ranks: blind to how they are scaled."""
    _, which, counts = np.unique(losses, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[which]  # equals share their mean
    return np.asarray(ndtri((ranks - 0.5) / len(losses)))


def best_curves(curves: Sequence[Curve], count: int) -> list[Curve]:
    """The best trials: by the deepest rung that they reached, then by their loss there."""
    reached = [
        (max(curve.losses), place)
        for place, curve in enumerate(curves)
        if curve.losses and not curve.diverged
    ]
    places = np.array([place for _, place in reached], np.intp)
    deepest = np.array([rung for rung, _ in reached], np.intp)
    best: list[int] = []
    for rung in np.unique(deepest)[::-1].tolist():
        there = places[deepest == rung].tolist()
        best += nsmallest(count - len(best), there, key=lambda at: (curves[at].losses[rung], at))
        if len(best) == count:
            break
    return [curves[place] for place in best]


def heights_of(rungs: Sequence[int], last_epoch: int) -> Array:
    """The rungs' places in log epochs: 0 for the first epoch, 1 for the last."""
    return np.log(rungs) / math.log(last_epoch) if last_epoch > 1 else np.ones(len(rungs))

"""What a model is told: the losses of trials at their rungs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from tuner.curve_model.columns import Array

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
    deep, rest = _deep_and_rest(curves)
    deep.sort(key=lambda place: (-len(curves[place].losses), -place))
    return _filled(curves, rungs, most, deep, rest[: -most - 1 : -1])


def sample_of(curves: Sequence[Curve], rungs: Sequence[int], most: int) -> list[Point]:
    """As `points_of`, but spread evenly over the trials' ages.

    So a new value is seldom among them: the later, the seldomer.
    """
    deep, rest = (
        nsmallest(most, places, key=lambda place: curves[place].trial * GOLDEN % 1.0)
        for places in _deep_and_rest(curves)
    )
    return _filled(curves, rungs, most, deep, rest)


def _deep_and_rest(curves: Sequence[Curve]) -> tuple[list[int], list[int]]:
    """The places of the curves past their first rung, and of the others that have a point."""
    deep, rest = [], []
    for place, curve in enumerate(curves):
        if len(curve.losses) >= 2 and not curve.diverged:
            deep.append(place)
        elif curve.losses or curve.diverged:
            rest.append(place)
    return deep, rest


def _filled(
    curves: Sequence[Curve], rungs: Sequence[int], most: int, deep: list[int], rest: list[int]
) -> list[Point]:
    """`most` points of the curves at these places, in their order; two thirds are of the deep."""
    first = _points(curves, rungs, deep, most)
    others = _points(curves, rungs, rest, most)
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
    return np.asarray(ndtri((rankdata(losses) - 0.5) / len(losses)))

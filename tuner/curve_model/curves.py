"""What a model is told: the losses of trials at their rungs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from tuner.curve_model.columns import Array


@dataclass(frozen=True, slots=True)
class Curve:
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


@dataclass(frozen=True, slots=True)
class Point:
    """A value that the model learns from: `trial` counts places in the list of curves."""

    depth: int
    place: int
    rung: int
    loss: float


def points_of(curves: Sequence[Curve], rungs: Sequence[int], most: int) -> list[Point]:
    """A point for each rung that a trial has reached, `most` of them at most.

    A diverged trial counts as worst of all at the first rung and at the last.
    """
    points = []
    for place, curve in enumerate(curves):
        if curve.diverged:
            points += [Point(-1, place, rung, math.inf) for rung in {rungs[0], rungs[-1]}]
        else:
            depth = len(curve.losses)
            points += [Point(depth, place, rung, loss) for rung, loss in curve.losses.items()]
    return [points[number] for number in chosen(points, most)]


def chosen(points: Sequence[Point], most: int) -> list[int]:
    """The numbers of `most` points at most.

    Two thirds are of trials past their first rung, the deepest and newest first; the others are
    the newest.
    """
    if len(points) <= most:
        return list(range(len(points)))
    deep = [n for n, point in enumerate(points) if point.depth >= 2]
    deep.sort(key=lambda n: (-points[n].depth, -points[n].place, -points[n].rung))
    rest = [n for n, point in enumerate(points) if point.depth < 2]
    rest.sort(key=lambda n: (-points[n].place, points[n].rung))
    deep = deep[: most * 2 // 3]
    return deep + rest[: most - len(deep)]


def normal_scores(losses: Sequence[float]) -> Array:
    """Quantiles of the normal distribution at the losses' ranks: blind to how they are scaled."""
    return np.asarray(ndtri((rankdata(losses) - 0.5) / len(losses)))

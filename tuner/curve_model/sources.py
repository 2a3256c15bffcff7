"""What earlier studies taught: each one's model, as a line that the new study's model may lean on.

A source's own trials are made a process of their own, which predicts the score of any point at any
epoch. In the new study's process that prediction is a line: its weight has a prior below 1 and is
learned with all else, so that a source which disagrees is turned down, and one whose ranks
contradict the new study's is left out; a level is learned beside it (the sources' offset). So
stacked models of earlier tasks (Golovin et al., "Google Vizier", KDD 2017, section 3.3) and their
weighing by agreement (Feurer et al., "Practical Transfer Learning for Bayesian Optimization", 2018)
in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from tuner.curve_model.columns import Array, Columns
from tuner.curve_model.curves import (
    Curve,
    Point,
    best_curves,
    heights_of,
    normal_scores,
    points_of,
    sample_of,
)
from tuner.curve_model.gauss import Gauss, fit, one_thread

MOST_POINTS, FIT_POINTS = 150, 64
"""Values that a source's model is given, and how many its lengths are fitted to."""
WEIGHT, DEVIATION = 0.8, 0.5
"""Of many sources' weights together, beforehand: how far a new study is thought to be like them.
A few say less of whether studies are alike: `k` of them have k / (k + 1) of the weight."""
LEVEL = 1.0
"""Deviation of the offset beforehand, in normal scores."""
ENOUGH_TO_JUDGE = 6
"""Trials with a value at the first rung before a source may be found to contradict them."""
BEST = 10
"""How many of a source's best points are changed to make candidates."""


@dataclass(frozen=True, eq=False)
class Source:
    """An earlier study's trials.

    `curves` hold losses (lower is better) by epoch, and the values of `axes`: those that both
    studies search, as the new one declares them. With `ends` each has one value, of a whole
    training.
    """

    name: str
    axes: Mapping[str, BaseDistribution]
    curves: Sequence[Curve]
    ends: bool = False

    def at(self, rungs: Sequence[int]) -> list[Curve]:
        """The curves at a new study's rungs: of each, the first report at or past it."""
        return [curve._replace(losses=self._losses(curve, rungs)) for curve in self.curves]

    def _losses(self, curve: Curve, rungs: Sequence[int]) -> dict[int, float]:
        if self.ends:
            return dict(zip(rungs[-1:], curve.losses.values(), strict=False))
        deepest = max(curve.losses, default=0)
        return {
            rung: curve.losses[min(epoch for epoch in curve.losses if epoch >= rung)]
            for rung in rungs
            if rung <= deepest
        }


@dataclass(frozen=True, eq=False)
class Learned:
    """All sources of a study. It is false where there are none."""

    sources: tuple[Source, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources)

    def expected(
        self, columns: Columns, units: Array, heights: Array, rungs: Sequence[int]
    ) -> Array:
        """What each source expects [n, k] of points [n, a] of the new study, at heights [n]."""
        names = list(columns.axes)
        found = []
        for source in self.sources:
            shared = [names.index(name) for name in source.axes]
            found.append(_model(source, tuple(rungs)).mean(units[:, shared], heights))
        return np.column_stack(found)

    def agreeing(
        self, columns: Columns, units: Array, losses: Sequence[float], rungs: Sequence[int]
    ) -> Learned:
        """The sources that the new study does not contradict, by its losses [n] at the first rung.

        One is out while its ranks of the points [n, a] and theirs correlate below 0.
        """
        if len(losses) < ENOUGH_TO_JUDGE or not self:
            return self
        expected = self.expected(columns, units, np.zeros(len(units)), rungs)
        ranks = normal_scores(losses)
        agreed = [normal_scores(list(column)) @ ranks > 0 for column in expected.T]
        return Learned(tuple(s for s, yes in zip(self.sources, agreed, strict=True) if yes))

    def lines(self, expected: Array) -> tuple[Array, Array]:
        """What is expected together [n], and the lines [n, k + 1] that may change it."""
        count = len(self.sources)
        level = np.full((len(expected), 1), LEVEL)
        lines = np.column_stack([DEVIATION / count**0.5 * expected, level])
        return self._weight() * expected.sum(1), lines

    def _weight(self) -> float:
        """Of each source, beforehand."""
        return WEIGHT / (len(self.sources) + 1)

    def weights(self, learned: Array) -> dict[str, float]:
        """The sources' weights, of what was learned of their lines [k + 1]."""
        count = len(self.sources)
        weights = self._weight() + DEVIATION / count**0.5 * learned[:-1]
        return dict(zip((source.name for source in self.sources), map(float, weights), strict=True))

    def best(self, columns: Columns, rungs: Sequence[int]) -> Array:
        """The best points [n, a] of all sources; NaN for an axis that a source has not."""
        points = [point for source in self.sources for point in _model(source, tuple(rungs)).best]
        return columns.points(points)


NOTHING = Learned()


class _Model:
    """The process of one source's trials."""

    def __init__(self, source: Source, rungs: Sequence[int]) -> None:
        self._columns = Columns(source.axes)
        curves = source.at(rungs)
        units = self._columns.points([curve.params for curve in curves])
        self._lacking = [bool(np.isnan(column).any()) for column in units.T]
        self.best: list[Mapping[str, Any]] = [c.params for c in best_curves(curves, BEST)]

        def told(points: Sequence[Point]) -> tuple[Array, Array]:
            at = [point.place for point in points]
            heights = heights_of([point.rung for point in points], rungs[-1])
            x = self._x(units[at], heights)
            return x, normal_scores([point.loss for point in points])

        with one_thread():
            theta = fit(*told(sample_of(curves, rungs, FIT_POINTS)))
            self._gauss = Gauss(theta, *told(points_of(curves, rungs, MOST_POINTS)))

    def mean(self, units: Array, heights: Array) -> Array:
        with one_thread():
            return self._gauss.mean(self._x(units, heights))

    def _x(self, units: Array, heights: Array) -> Array:
        return np.column_stack([self._columns.rows(units, self._lacking), heights])


@lru_cache(maxsize=64)
def _model(source: Source, rungs: tuple[int, ...]) -> _Model:
    return _Model(source, rungs)

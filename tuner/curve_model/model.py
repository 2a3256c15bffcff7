"""One model of all learning curves: it proposes points, and says with which trial to go on.

A Gaussian process over (point, log epoch) on the normal scores of all values at all rungs. It keeps
nothing: what it says is a function of what it is told.

Freeze-thaw (Swersky et al., 2014) put a process over curves; a joint draw at the last epoch is
Thompson's (1933), over few candidates as in TuRBO (Eriksson et al., NeurIPS 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, Self

import numpy as np

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
from tuner.curve_model.gauss import Gauss, Theta, fit, one_thread
from tuner.curve_model.presence import Absent, as_told, without
from tuner.curve_model.sources import NOTHING, Learned

START = 10
"""Trials with a value before the model is asked."""
MOST_POINTS, FIT_POINTS = 150, 64
"""Values that the model is given, and how many its lengths are fitted to."""
BESIDE = 0.3
"""Variance of what the sources do not say, as it is thought to be beforehand."""
DRAWS, MUTANTS, PARENTS = 128, 64, 10
"""Candidates: points at random, and changed copies of the best trials."""


class CurveModel:
    """The model of some trials' curves. `enough(curves)` must hold, or there are sources.

    `absent` says which axes a candidate may not have; without it that is learned from the curves.
    `learned` are earlier studies' trials; without any the model is of the curves alone.
    """

    def __init__(
        self,
        columns: Columns,
        rungs: Sequence[int],
        curves: Sequence[Curve],
        absent: Absent | None = None,
        learned: Learned = NOTHING,
    ) -> None:
        self._columns = columns
        self._rungs = rungs
        self._curves = curves
        points = points_of(curves, rungs, MOST_POINTS)
        sample = sample_of(curves, rungs, FIT_POINTS)
        places = sorted({point.place for point in [*points, *sample]})
        units = columns.points([curves[place].params for place in places])
        self._absent = absent or as_told(columns, units)
        self._lacking = [bool(np.isnan(column).any()) for column in units.T]
        first, losses = _first(curves, places, units, rungs)
        self._learned = learned.agreeing(columns, first, losses, rungs)
        rows = columns.rows(units, self._lacking)

        def told(points: Sequence[Point]) -> _Told:
            at = np.searchsorted(places, [point.place for point in points])
            heights = heights_of([point.rung for point in points], rungs[-1])
            x = np.column_stack([rows[at], heights])
            y = normal_scores([point.loss for point in points])
            expected, lines = self._expected(units[at], heights)
            return _Told.of(x, y if lines is None else y - expected, lines)

        self._gauss = _conditioned(told(points), told(sample))

    @property
    def weights(self) -> dict[str, float]:
        """How far each source that is not contradicted is gone by, by its name."""
        return self._learned.weights(self._gauss.weights()) if self._learned else {}

    def promise(self, trials: Sequence[Mapping[str, Any]]) -> Array:
        """Mean less deviation [n] of trials' scores at the last epoch: the lowest is to go on."""
        units = self._columns.points(trials)
        expected, lines = self._expected(units, np.ones(len(units)))
        with one_thread():
            mean, deviation = self._gauss.end(self._columns.rows(units, self._lacking), lines)
        return expected + mean - deviation

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        """The candidate that is best at the last epoch in one draw from the joint posterior."""
        candidates = self._columns.draws(rng, DRAWS)
        parents = best_curves(self._curves, PARENTS)
        if parents:
            units = self._columns.points([curve.params for curve in parents])
            candidates = self._with_mutants(candidates, units, rng)
        if self._learned:
            units = self._learned.best(self._columns, self._rungs)
            candidates = self._with_mutants(candidates, units, rng)
        candidates = without(candidates, self._absent)
        expected, lines = self._expected(candidates, np.ones(len(candidates)))
        rows = self._columns.rows(candidates, self._lacking)
        with one_thread():
            drawn = expected + self._gauss.draw(rows, rng, lines)
        return self._columns.params(candidates[int(drawn.argmin())])

    def _with_mutants(self, candidates: Array, parents: Array, rng: np.random.Generator) -> Array:
        picked = parents[rng.integers(len(parents), size=MUTANTS)]
        return np.vstack([candidates, self._columns.mutants(rng, picked)])

    def _expected(self, units: Array, heights: Array) -> tuple[Array, Array | None]:
        """What the sources expect of points [n, a] at heights [n], and its lines [n, k]."""
        if not self._learned:
            return np.zeros(len(units)), None
        return self._learned.lines(
            self._learned.expected(self._columns, units, heights, self._rungs)
        )


def enough(curves: Sequence[Curve]) -> bool:
    """Whether there is enough to ask a model."""
    told = (curve for curve in curves if curve.losses or curve.diverged)
    return sum(1 for _ in islice(told, START)) == START


# What is told changes by a value a time: sampler and scheduler ask for the same process in turn,
# and the sample that it is fitted to stays the same for long.


class _Told(NamedTuple):
    """What a process is told, to be looked up: x [n, d], y [n], and lines [n, k] or none (k 0)."""

    x: bytes
    y: bytes
    lines: bytes
    d: int
    k: int

    @classmethod
    def of(cls, x: Array, y: Array, lines: Array | None) -> Self:
        said, k = (b"", 0) if lines is None else (lines.tobytes(), lines.shape[1])
        return cls(x.tobytes(), y.tobytes(), said, x.shape[1], k)

    def arrays(self) -> tuple[Array, Array, Array | None]:
        lines = np.frombuffer(self.lines).reshape(-1, self.k) if self.k else None
        return np.frombuffer(self.x).reshape(-1, self.d), np.frombuffer(self.y), lines


def _first(
    curves: Sequence[Curve], places: Sequence[int], units: Array, rungs: Sequence[int]
) -> tuple[Array, list[float]]:
    """Of the curves at these places, with points [n, a], those that have a value at the first rung.

    One that diverged is the worst.
    """
    at = {
        row: math.inf if curves[place].diverged else curves[place].losses[rungs[0]]
        for row, place in enumerate(places)
        if curves[place].diverged or rungs[0] in curves[place].losses
    }
    return units[list(at)], list(at.values())


@lru_cache(maxsize=4)
def _conditioned(told: _Told, sample: _Told) -> Gauss:
    with one_thread():
        return Gauss(_fitted(sample), *told.arrays())


@lru_cache(maxsize=4)
def _fitted(sample: _Told) -> Theta:
    return fit(*sample.arrays(), amplitude=BESIDE if sample.k else 1.0)

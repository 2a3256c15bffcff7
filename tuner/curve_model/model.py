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
from heapq import nsmallest
from itertools import islice
from typing import Any

import numpy as np

from tuner.curve_model.columns import Array, Columns
from tuner.curve_model.curves import Curve, Point, normal_scores, points_of, sample_of
from tuner.curve_model.gauss import Gauss, Theta, fit, one_thread
from tuner.curve_model.presence import Absent, as_told, without

START = 10
"""Trials with a value before the model is asked."""
MOST_POINTS, FIT_POINTS = 150, 64
"""Values that the model is given, and how many its lengths are fitted to."""
DRAWS, MUTANTS, PARENTS = 128, 64, 10
"""Candidates: points at random, and changed copies of the best trials."""


class CurveModel:
    """The model of some trials' curves. `enough(curves)` must hold.

    `absent` says which axes a candidate may not have; without it that is learned from the curves.
    """

    def __init__(
        self,
        columns: Columns,
        rungs: Sequence[int],
        curves: Sequence[Curve],
        absent: Absent | None = None,
    ) -> None:
        self._columns = columns
        self._curves = curves
        points = points_of(curves, rungs, MOST_POINTS)
        sample = sample_of(curves, rungs, FIT_POINTS)
        places = sorted({point.place for point in [*points, *sample]})
        units = columns.points([curves[place].params for place in places])
        self._absent = absent or as_told(columns, units)
        self._lacking = [bool(np.isnan(column).any()) for column in units.T]
        rows = columns.rows(units, self._lacking)

        def told(points: Sequence[Point]) -> tuple[bytes, bytes]:
            at = rows[np.searchsorted(places, [point.place for point in points])]
            x = np.column_stack([at, _heights([point.rung for point in points], rungs[-1])])
            return x.tobytes(), normal_scores([point.loss for point in points]).tobytes()

        self._gauss = _conditioned(*told(points), *told(sample))

    def promise(self, trials: Sequence[Mapping[str, Any]]) -> Array:
        """Mean less deviation [n] of trials' scores at the last epoch: the lowest is to go on."""
        units = self._columns.points(trials)
        with one_thread():
            mean, deviation = self._gauss.end(self._columns.rows(units, self._lacking))
        return mean - deviation

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        """The candidate that is best at the last epoch in one draw from the joint posterior."""
        candidates = self._columns.draws(rng, DRAWS)
        parents = best_curves(self._curves, PARENTS)
        if parents:
            units = self._columns.points([curve.params for curve in parents])
            picked = units[rng.integers(len(parents), size=MUTANTS)]
            candidates = np.vstack([candidates, self._columns.mutants(rng, picked)])
        candidates = without(candidates, self._absent)
        with one_thread():
            drawn = self._gauss.draw(self._columns.rows(candidates, self._lacking), rng)
        return self._columns.params(candidates[int(drawn.argmin())])


def enough(curves: Sequence[Curve]) -> bool:
    """Whether there is enough to ask a model."""
    told = (curve for curve in curves if curve.losses or curve.diverged)
    return sum(1 for _ in islice(told, START)) == START


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


def _heights(rungs: Sequence[int], last_epoch: int) -> Array:
    """The rungs' places in log epochs: 0 for the first epoch, 1 for the last."""
    return np.log(rungs) / math.log(last_epoch) if last_epoch > 1 else np.ones(len(rungs))


# What is told changes by a value a time: sampler and scheduler ask for the same process in turn,
# and the sample that it is fitted to stays the same for long.


@lru_cache(maxsize=4)
def _conditioned(x: bytes, y: bytes, sample_x: bytes, sample_y: bytes) -> Gauss:
    with one_thread():
        return Gauss(_fitted(sample_x, sample_y), *_arrays(x, y))


@lru_cache(maxsize=4)
def _fitted(x: bytes, y: bytes) -> Theta:
    return fit(*_arrays(x, y))


def _arrays(x: bytes, y: bytes) -> tuple[Array, Array]:
    values = np.frombuffer(y)
    return np.frombuffer(x).reshape(len(values), -1), values

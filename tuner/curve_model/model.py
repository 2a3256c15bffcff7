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
from typing import Any

import numpy as np

from tuner.curve_model.columns import Array, Columns
from tuner.curve_model.curves import Curve, chosen, normal_scores, points_of
from tuner.curve_model.gauss import Gauss, fit, one_thread
from tuner.curve_model.presence import Absent, as_told, without

START = 10
"""Trials with a value before the model is asked."""
MOST_POINTS, FIT_POINTS = 150, 64
"""Values that the model is given, and how many of these its lengths are fitted to."""
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
        places = sorted({point.place for point in points})
        units = np.array([columns.point(curves[place].params) for place in places])
        self._absent = absent or as_told(columns, units)
        self._lacking = np.isnan(units).any(0)
        rows = columns.rows(units, self._lacking)
        row_of = dict(zip(places, rows, strict=True))
        x = np.array([[*row_of[p.place], _height(p.rung, rungs[-1])] for p in points])
        y = normal_scores([p.loss for p in points])
        self._gauss = _conditioned(x.tobytes(), y.tobytes(), tuple(chosen(points, FIT_POINTS)))

    def promise(self, trials: Sequence[Mapping[str, Any]]) -> Array:
        """Mean less deviation [n] of trials' scores at the last epoch: the lowest is to go on."""
        units = np.array([self._columns.point(params) for params in trials])
        with one_thread():
            mean, deviation = self._gauss.end(self._columns.rows(units, self._lacking))
        return mean - deviation

    def propose(self, rng: np.random.Generator) -> dict[str, Any]:
        """The candidate that is best at the last epoch in one draw from the joint posterior."""
        candidates = self._columns.draws(rng, DRAWS)
        parents = best_curves(self._curves, PARENTS)
        if parents:
            units = np.array([self._columns.point(curve.params) for curve in parents])
            picked = units[rng.integers(len(parents), size=MUTANTS)]
            candidates = np.vstack([candidates, self._columns.mutants(rng, picked)])
        candidates = without(candidates, self._absent)
        with one_thread():
            drawn = self._gauss.draw(self._columns.rows(candidates, self._lacking), rng)
        return self._columns.params(candidates[int(drawn.argmin())])


def enough(curves: Sequence[Curve]) -> bool:
    """Whether there is enough to ask a model."""
    return sum(bool(curve.losses) or curve.diverged for curve in curves) >= START


def best_curves(curves: Sequence[Curve], count: int) -> list[Curve]:
    """The best trials: by the deepest rung that they reached, then by their loss there."""
    ranked = [
        (-max(curve.losses), curve.losses[max(curve.losses)], place)
        for place, curve in enumerate(curves)
        if curve.losses and not curve.diverged
    ]
    return [curves[place] for *_, place in sorted(ranked)[:count]]


def _height(rung: int, last_epoch: int) -> float:
    """A rung's place in log epochs: 0 for the first epoch, 1 for the last."""
    return math.log(rung) / math.log(last_epoch) if last_epoch > 1 else 1.0


@lru_cache(maxsize=4)
def _conditioned(x: bytes, y: bytes, fitted: tuple[int, ...]) -> Gauss:
    """The process fitted to data: sampler and scheduler ask for the same one in turn."""
    values = np.frombuffer(y)
    rows = np.frombuffer(x).reshape(len(values), -1)
    some = list(fitted)
    with one_thread():
        return Gauss(fit(rows[some], values[some]), rows, values)

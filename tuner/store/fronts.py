"""The front of a study of several goals, and how it grew, as the tables tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tuner import pareto
from tuner.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

Goals = Mapping[str, str]
"""Metrics with their directions, in the order of the columns `value_0`, `value_1`, ..."""


def front_of(trials: pd.DataFrame, goals: Goals) -> pd.DataFrame:
    """The rows of trials that no other one beats in all goals, the best of the first goal first.

    `trials` are those that count: all their values there, feasible.
    """
    known = trials[trials[_columns(goals)].notna().all(axis=1)]
    best = known.iloc[pareto.front(_losses(known, goals))]
    first, direction = next(iter(_columns(goals))), next(iter(goals.values()))
    return best.sort_values([first, "trial"], ascending=[direction == "minimize", True])


def growth_of(
    trials: pd.DataFrame, goals: Goals, reference: Sequence[float] | None = None
) -> pd.DataFrame:
    """`hypervolume` after each `trial`: how much of a box the trials so far dominate, 0 to 1.

    The box goes from the best of each goal to `reference`, in the metrics' own units: the worst of
    each goal where it is not given.
    """
    known = trials[trials[_columns(goals)].notna().all(axis=1)].sort_values("trial")
    losses = _losses(known, goals)
    volumes: list[float] = []
    if len(losses):
        signs = _signs(goals)
        worst = losses.max(axis=0) if reference is None else signs * np.asarray(reference, float)
        spans = np.where(worst > losses.min(axis=0), worst - losses.min(axis=0), 1.0)
        scaled = (losses - losses.min(axis=0)) / spans
        box = np.where(worst > losses.min(axis=0), 1.0, 0.0)
        volumes = [pareto.hypervolume(scaled[: n + 1], box) for n in range(len(scaled))]
    return known[["trial"]].assign(hypervolume=volumes).reset_index(drop=True)


def check_several(goals: Goals) -> None:
    """Raises ResultsError for a study of one goal."""
    if len(goals) < 2:
        raise ResultsError(
            "a front is of several goals, and the study has one; its best trial is `best`"
        )


def _columns(goals: Goals) -> list[str]:
    return [f"value_{goal}" for goal in range(len(goals))]


def _signs(goals: Goals) -> pareto.Array:
    return np.array([-1.0 if direction == "maximize" else 1.0 for direction in goals.values()])


def _losses(trials: pd.DataFrame, goals: Goals) -> pareto.Array:
    losses: pareto.Array = trials[_columns(goals)].to_numpy(float) * _signs(goals)
    return losses

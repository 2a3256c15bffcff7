"""What explains a study's results, and what tells its best quarter, by each measure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.facts.fidelity import Measure
from analysis.importances import points_of
from analysis.loading import Tables, the_study
from analysis.shares import Importance, importance_of, method_for
from tuner.errors import TunerError

LEAST_TRIALS = 8
"""Trials with a number from which importance is worked out."""
RESAMPLES, FEWER_RESAMPLES = 16, 6
"""Resamples for the intervals of the first measure's importance, and of the others'."""


def importances(
    tables: Tables, of: Sequence[Measure], resamples: int = RESAMPLES, until: float = math.inf
) -> dict[str, dict[str, Importance | None]]:
    """Of each measure what explains its ranks, and what tells the best quarter.

    Ranks, as one loss of 1e6 would explain all variance by itself. Raises TookTooLongError once
    `time.monotonic()` has passed `until`.
    """
    study = the_study(tables.studies)
    made: dict[str, dict[str, Importance | None]] = {}
    for place, measure in enumerate(of):
        have = np.isfinite(measure.values)
        if have.sum() < LEAST_TRIALS or len(set(measure.values[have].tolist())) < 2:
            continue
        ranks = pd.Series(measure.values[have]).rank(pct=True).to_numpy()
        mine = study.copy()
        mine["direction"] = measure.direction
        try:
            points = points_of(mine, tables.trials[have], ranks)
        except TunerError:  # a point that a later space does not hold
            continue
        n = resamples if place == 0 else min(resamples, FEWER_RESAMPLES)
        made[measure.key] = {
            "all": importance_of(points, method_for(points), resamples=n, until=until),
            "best": importance_of(points, "ped_anova", resamples=n, until=until),
        }
    return made

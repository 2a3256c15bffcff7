"""The rule of one standard error: the simplest trial that cannot be told from the best.

Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3: of
those whose mean over the folds lies within one standard error of the best one's, the simplest.
"""

from __future__ import annotations

import math

import pandas as pd

from tuner.errors import StudyError
from tuner.store.study_tables import StudyTables

SIZE = "parameters"
"""The metric by which a trial says how large its model is (`trial.model_stats`)."""


def simplest_of_equals(tables: StudyTables) -> int:
    """The number of that trial.

    The simplest has the fewest `parameters`, where all that lie so near report them, else it has
    trained the fewest epochs; of equals it is the better one. Raises StudyError where a trial has
    one cell, or none has a value: there is no standard error then.
    """
    cells = tables.study.experiment.cells
    if cells < 2:
        raise StudyError(
            f"a trial of {tables.path} has one training, and so no standard error",
            field="one_se",
            way_out="take `mode` cv, or `repeats`",
        )
    ranked = tables.ranked().query("ranks")
    if ranked.empty:
        raise StudyError(f"no trial of {tables.path} has a value on all of its folds")
    best = ranked.iloc[0]
    error = float(best["value_std"]) / math.sqrt(cells - 1)  # the deviation in the table has ddof 0
    near = ranked[(ranked["value"] - best["value"]).abs() <= error]
    sizes = _sizes(tables).reindex(near["trial"]).to_numpy()
    by = near["epochs"].to_numpy() if pd.isna(sizes).any() else sizes
    simplest = near.assign(simplicity=by).sort_values("simplicity", kind="stable")
    return int(simplest["trial"].iloc[0])


def _sizes(tables: StudyTables) -> pd.Series:
    """The parameters that each trial reported last, by trial."""
    if SIZE not in tables.reports:
        return pd.Series(dtype=float)
    return tables.reports.sort_values("epoch").groupby("trial")[SIZE].last()

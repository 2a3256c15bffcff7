"""The means of trials that were trained again, each on the same new splits and seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tuner.errors import StudyError
from tuner.store.confirmed import Again
from tuner.store.study_tables import StudyTables

SURE = 0.95
"""Two trials are tied where an interval of this confidence for their difference holds zero."""


def compared(leaders: pd.DataFrame, again: StudyTables) -> list[Again]:
    """The rows of a Confirmed; the trials of the new study are the leaders in their order."""
    metric, minimize = again.study.experiment.metric, again.study.experiment.direction == "minimize"
    last = again.reports.sort_values("epoch").groupby(["trial", "fold"])[metric].last().unstack()
    values = last.reindex(range(len(leaders)))
    numbers = leaders["trial"].to_numpy()
    counted = values.count(axis=1)
    if counted.min() < 2:
        failed = ", ".join(str(trial) for trial in numbers[counted < 2])
        raise StudyError(
            f"{again.path}: of trial {failed} fewer than two new trainings have a value"
        )
    order = values.mean(axis=1).sort_values(ascending=minimize, kind="stable").index
    return [
        Again(
            trial=int(numbers[row]),
            value=float(leaders["value"].iloc[row]),
            mean=float(values.loc[row].mean()),
            std=float(values.loc[row].std()),
            stderr=float(values.loc[row].std() / np.sqrt(counted[row])),
            trainings=int(counted[row]),
            tied=row != order[0] and tied(values.loc[row] - values.loc[order[0]]),
        )
        for row in order
    ]


def tied(differences: pd.Series) -> bool:
    """Whether paired differences, on the same splits, leave open which is better (Student's t)."""
    from scipy import stats

    known = differences.dropna()
    if len(known) < 2 or not known.any():
        return True
    within = stats.t.ppf((1 + SURE) / 2, len(known) - 1) * known.std() / np.sqrt(len(known))
    return bool(abs(known.mean()) <= within)

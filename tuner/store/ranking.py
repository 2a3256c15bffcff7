"""Which trials may be the best, as the tables tell it: one rule for all who rank them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def may_be_best(
    trials: pd.DataFrame, reports: pd.DataFrame, cells: pd.Series, by: Sequence[str] = ("trial",)
) -> pd.Series:
    """Whether each row of `trials` may be the best: it has a value, and that is of all its folds.

    An infeasible trial is not. A STOPPED trial may be, where its folds were not cut short by
    racing. `cells` says how many cells each trial has, and `by` what columns name a trial. Bool,
    with the index of `trials`.
    """
    valued = trials["value"].notna()
    if "feasible" in trials:  # of several studies together one may have no constraints
        valued &= trials["feasible"].astype("boolean").fillna(True).astype(bool)
    if (cells == 1).all():
        return valued
    folds = reports.groupby(list(by))["fold"].nunique().rename("folds").reset_index()
    reported = trials[list(by)].merge(folds, on=list(by), how="left")["folds"]
    return valued & (reported.to_numpy() == cells.to_numpy())

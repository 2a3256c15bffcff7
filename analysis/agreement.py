"""Whether a scheduler's rungs tell who ends well: trials ranked there and at their last epoch."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.loading import Tables, the_study
from analysis.summaries import rungs
from tuner.trial.cells import State

AGREE = 0.3
"""A rank correlation that trials which passed a rung still have where it is a fair judge."""
LEAST_TRIALS = 6
COLUMNS = ["rung", "trials", "correlation"]


def agreement(tables: Tables) -> pd.DataFrame:
    """One row a rung of a study: how the trials that reached their last epoch rank at both.

    rung         int64, an epoch
    trials       int64, the COMPLETE trials that reported there and at the end
    correlation  float64, Spearman's, of the metric there and at the end, each a mean over folds;
                 NaN of fewer than three trials, or where all are equal
    """
    study = the_study(tables.studies)
    complete = tables.trials[tables.trials["state"] == str(State.COMPLETE)]
    complete = complete[complete["shared_with"].isna()]
    reports = tables.reports[tables.reports["trial"].isin(complete["trial"])]
    metric = study["metric"]
    rows: list[dict[str, float]] = []
    if metric not in reports:  # nobody has come so far as to report it
        return pd.DataFrame(rows, columns=COLUMNS)
    last = reports.sort_values("epoch").groupby(["trial", "fold"])[metric].last()
    ends = last.groupby("trial").mean()
    for rung in rungs(tables):
        there = reports[reports["epoch"] == rung].groupby("trial")[metric].mean()
        both = pd.DataFrame({"there": there, "end": ends}).dropna().rank()
        varied = len(both) > 2 and bool((both.nunique() > 1).all())
        correlation = float(both["there"].corr(both["end"])) if varied else math.nan
        rows.append({"rung": rung, "trials": len(both), "correlation": correlation})
    return pd.DataFrame(rows, columns=COLUMNS)


def disagreement(tables: Tables) -> str | None:
    """A line that says at which rung ranks and ends disagree, and the way out; None where none.

    Said where the correlation and its standard error (Fisher's, 1 / sqrt(n - 3)) lie below AGREE:
    trials that passed a rung are alike, so that a fair judge has a low one among them too.
    """
    found = agreement(tables)
    found = found[found["trials"] >= LEAST_TRIALS].dropna()
    sure = np.arctanh(found["correlation"].clip(-0.999, 0.999)) + 1 / np.sqrt(found["trials"] - 3)
    poor = found[sure < math.atanh(AGREE)]
    if poor.empty:
        return None
    worst = poor.iloc[-1]
    later = int(worst["rung"]) * int(the_study(tables.studies)["eta"])
    return (
        f"At epoch {worst['rung']:.0f} trials rank otherwise than at their end: the rank "
        f"correlation of the {worst['trials']:.0f} that got there is {worst['correlation']:.2f}. "
        f"Good points may start slowly: judge later (min_epochs {later}), in several brackets "
        "(scheduler hyperband), or not at all (scheduler none)."
    )

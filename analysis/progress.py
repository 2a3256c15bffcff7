"""Learning curves, and the best so far against trials, epochs and seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.loading import Tables
from analysis.summaries import ended_at, ranked


def curves(tables: Tables) -> pd.DataFrame:
    """The searched metric by epoch: one row a report, in the order of study, trial, fold, epoch.

    study    string
    trial    int64
    fold     int64
    epoch    int64
    time_s   float64, seconds since the cell began
    value    float64, the metric of the trial's study
    state    string, what became of the trial
    """
    reports = tables.reports
    metrics = tables.studies.set_index("study")["metric"]
    value = pd.Series(np.nan, index=reports.index)
    for study, metric in metrics.items():
        if metric in reports:
            value = value.where(reports["study"] != study, reports[metric])
    rows = reports[["study", "trial", "fold", "epoch", "time_s"]].assign(value=value)
    states = tables.trials[["study", "trial", "state"]]
    rows = rows.merge(states, on=["study", "trial"], how="left", validate="many_to_one")
    return rows.sort_values(["study", "trial", "fold", "epoch"], ignore_index=True)


def best_so_far(tables: Tables) -> pd.DataFrame:
    """The best value so far: one row a trial that ended, in the order they ended.

    study      string
    trial      int64
    trials     int64, that had ended by then, this one among them
    epochs     int64, trained by then in trials that had ended
    seconds    float64, since the study's first trial began
    best       float64, NaN before any trial had a rank (`summary`)
    """
    columns = ["study", "trial", "trials", "epochs", "seconds", "best"]
    frames = [_progress(tables.only(name)) for name in tables.studies["study"]]
    return pd.concat(frames, ignore_index=True)[columns]


def _progress(tables: Tables) -> pd.DataFrame:
    trials = tables.trials[tables.trials["started_at"].notna()]
    trials = trials[trials["state"] != "RUNNING"]
    since = ended_at(tables).loc[trials.index] - trials["started_at"].min()
    rows = trials.assign(seconds=since.dt.total_seconds())
    rows = rows.sort_values(["seconds", "trial"])
    values = rows["value"].where(ranked(tables).reindex(rows.index))
    rising = tables.studies["direction"].iloc[0] == "maximize"
    best = values.cummax() if rising else values.cummin()
    own = rows["epochs"].where(rows["shared_with"].isna(), 0)
    return rows.assign(
        trials=np.arange(1, len(rows) + 1), epochs=own.cumsum().astype("int64"), best=best.ffill()
    )

"""What trials are compared by: equal epochs, the epochs of rungs, or the value.

Trials that were stopped and trials that ran to the end can't be compared by their values: the
first had fewer epochs. At *equal epochs* each pair is compared at the last epoch that both have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.loading import Tables, the_study
from analysis.summaries import ranked, rungs

MOST_STOPS = 4
"""Epochs at which trials were stopped that the switch offers, where no rungs say."""


@dataclass(frozen=True)
class Measure:
    """One position of the switch: a number for each trial, NaN where it has none.

    `about` says what the number is; `direction` is minimize or maximize.
    """

    key: str
    label: str
    about: str
    direction: str
    values: np.ndarray


@dataclass(frozen=True)
class Course:
    """The searched metric of n trials, means over folds.

    values  float64 [n, epochs], NaN where a trial reported nothing or what is not finite
    last    int64 [n], the place of the last report, -1 without one
    """

    values: np.ndarray
    last: np.ndarray


def course(tables: Tables) -> Course:
    """The metric of each trial, in the order of the trials table, by epoch."""
    study, trials, reports = the_study(tables.studies), tables.trials, tables.reports
    metric = study["metric"]
    length = max(int(reports["epoch"].max()) if len(reports) else 0, 1)
    values = np.full((len(trials), length), np.nan)
    last = np.full(len(trials), -1)
    if metric in reports and len(reports):
        row = pd.Series(range(len(trials)), index=trials["trial"])
        known = reports[reports["trial"].isin(trials["trial"])]
        finite = known[metric].where(np.isfinite(known[metric].astype(float)))
        cells = finite.groupby([known["trial"], known["epoch"]])
        means = cells.mean().where(cells.count() == cells.size())
        index = row.loc[means.index.get_level_values("trial")].to_numpy()
        epoch = means.index.get_level_values("epoch").to_numpy() - 1
        values[index, epoch] = means.to_numpy(float)
        np.maximum.at(last, index, epoch)
    told = trials["value"].to_numpy(float)
    only = (last < 0) & np.isfinite(told)  # a function that reported nothing, and returned a number
    values[only, 0], last[only] = told[only], 0
    return Course(values, last)


def equal_epochs(of: Course, direction: str) -> np.ndarray:
    """The share of the other trials that each beats at the last epoch both have; a tie is half.

    Float64 [n], NaN without a report. An epoch without a report has the one before it. What is not
    finite loses to all that is.
    """
    score = np.full(len(of.last), np.nan)
    have = np.flatnonzero(of.last >= 0)
    if len(have) < 2:
        score[have] = 0.5
        return score
    sign = 1.0 if direction == "maximize" else -1.0
    ends = of.last[have]
    filled = pd.DataFrame(of.values[have] * sign).ffill(axis=1)
    # What a trial ended in stands: NaN after good epochs is a trial that diverged.
    ended = of.values[have, ends]
    whole = filled.to_numpy(copy=True)
    whole[np.arange(len(have)), ends] = ended * sign
    whole[~np.isfinite(whole)] = -np.inf
    everyone = np.arange(len(have))
    for place, trial in enumerate(have):
        both = np.minimum(ends[place], ends)
        mine, theirs = whole[place, both], whole[everyone, both]
        wins = (mine > theirs) + 0.5 * (mine == theirs)
        wins[place] = 0.0
        score[trial] = wins.sum() / (len(have) - 1)
    return score


def measures(tables: Tables, of: Course) -> list[Measure]:
    """What trials may be compared by, the fair one first.

    Where all trials had the same epochs, that is the value alone.
    """
    study, trials = the_study(tables.studies), tables.trials
    metric, direction = study["metric"], study["direction"]
    stopped = (trials["state"] == "STOPPED").to_numpy() & (of.last >= 0)
    value = trials["value"].where(ranked(tables)).to_numpy(float)
    rule = f"{metric} of each trial's {study['value_rule']} epoch"
    plain = Measure("value", "value", rule, direction, value)
    if not stopped.any():
        return [plain]
    label = "share of the other trials beaten at the last epoch that both have"
    found = [Measure("equal", "equal epochs", label, "maximize", equal_epochs(of, direction))]
    stops, counts = np.unique(of.last[stopped] + 1, return_counts=True)
    often = sorted(stops[np.argsort(-counts, kind="stable")][:MOST_STOPS].tolist())
    for epoch in [e for e in rungs(tables) or often if e <= of.values.shape[1]]:
        there = np.where(of.last >= epoch - 1, of.values[:, epoch - 1], np.nan)
        about = f"{metric} at epoch {epoch}"
        found.append(Measure(f"epoch{epoch}", f"epoch {epoch}", about, direction, there))
    return [*found, plain]

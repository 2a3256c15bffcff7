"""Studies side by side, and how sure one can be of a difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.loading import Tables
from analysis.summaries import overview, ranked
from tuner.errors import ResultsError


def compare(
    tables: Tables, by: str | list[str] = "study", *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Studies side by side, with 95% bootstrap intervals (percentiles, Efron 1979).

    `by` groups the studies by columns of the studies table: "study", or what repeated searches
    share, such as ["sampler", "scheduler"]. One row a group, in the order of the studies:

    <by>                    the group
    studies, trials, complete     int64, how many; trials in any state, and COMPLETE ones
    best                    float64, mean over the studies of their best trial's value
    best_low, best_high     float64, its interval over studies; NaN with fewer than two: one search
                            says nothing of how another would have ended
    median                  float64, of the values of all trials that have a rank: STOPPED ones too,
                            by the value that they came to (without racing's, cut short of a fold)
    median_low, median_high float64, its interval over trials
    difference              float64, its median less that of the first row
    difference_low, difference_high    float64, the interval of that
    epochs                  float64, trained, mean over the studies
    work_s                  float64, seconds of work, mean over the studies

    Raises ResultsError for an unknown column, or studies that search different metrics.
    """
    names = [by] if isinstance(by, str) else list(by)
    for name in names:
        if name not in tables.studies:
            raise ResultsError(
                f"studies have no column {name!r}; there are: {', '.join(tables.studies)}"
            )
    if len(tables.studies[["metric", "direction"]].drop_duplicates()) != 1:
        raise ResultsError("the studies search different metrics: their values do not compare")
    draw = np.random.default_rng(seed)
    has_rank = ranked(tables)
    totals = tables.studies[["study", *(n for n in names if n != "study")]].merge(
        overview(tables), on="study"
    )
    rows: list[dict[str, Any]] = []
    first = np.array([])
    for key, group in totals.groupby(names, sort=False, dropna=False):
        trials = tables.trials[tables.trials["study"].isin(group["study"])]
        values = trials.loc[has_rank[trials.index], "value"].to_numpy()
        medians = _resampled(values, np.median, resamples, draw)
        first = medians if not rows else first
        bests = group["best"].dropna().to_numpy()
        means = _resampled(bests if len(bests) > 1 else bests[:0], np.mean, resamples, draw)
        complete = int((trials["state"] == "COMPLETE").sum())
        row = dict(zip(names, key, strict=True))
        row |= {"studies": len(group), "trials": len(trials), "complete": complete}
        row |= _interval("best", bests.mean() if len(bests) else np.nan, means)
        row |= _interval("median", np.median(values) if len(values) else np.nan, medians)
        origin = rows[0]["median"] if rows else row["median"]
        apart = medians - first if rows else np.zeros(resamples)
        row |= _interval("difference", row["median"] - origin, apart)
        row |= {"epochs": group["epochs"].mean(), "work_s": group["work_s"].mean()}
        rows.append(row)
    return pd.DataFrame(rows)


def _resampled(
    values: np.ndarray, statistic: Callable[..., Any], count: int, draw: np.random.Generator
) -> np.ndarray:
    """The statistic of `count` samples with replacement; NaN where there is nothing to draw."""
    if not len(values):
        return np.full(count, np.nan)
    picks = draw.integers(len(values), size=(count, len(values)))
    result: np.ndarray = statistic(values[picks], axis=1)
    return result


def _interval(name: str, value: float, samples: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(samples, [0.025, 0.975])
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}

"""Which parameters mattered in a study; `analysis.shares` has the methods."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from analysis.loading import Tables, the_study
from analysis.shares import METHODS, Points, as_searched, method_for
from analysis.summaries import ranked
from tuner.errors import ResultsError
from tuner.search_space.space import SearchSpace
from tuner.store.study_tables import row_params

EVALUATORS = tuple(METHODS)


def importance(tables: Tables, evaluator: str | None = None, *, seed: int = 0) -> pd.DataFrame:
    """How much of the value's variance each parameter explains, the most important first.

    study       string
    param       string
    importance  float64, shares that add up to 1; ANOVA's leave out what interactions explain

    `evaluator` is "anova" (exact, for a whole grid), "fanova" or "ped_anova" (what tells the best
    quarter); by default ANOVA for a whole grid, else fANOVA. All take the trials of one study that
    have a rank (STOPPED ones by the value that they came to: few are COMPLETE where trials are
    promoted), and the parameters that all of these have; constants are left out. Raises
    ResultsError for an unknown evaluator, fewer than two such trials, or values that are all the
    same.
    """
    if evaluator is not None and evaluator not in EVALUATORS:
        raise ResultsError(f"evaluator {evaluator!r} is not one of {', '.join(EVALUATORS)}")
    study = the_study(tables.studies)
    of = tables.trials[ranked(tables)]
    if of["value"].nunique() < 2:
        raise ResultsError(
            f"{study['study']} has {len(of)} trials of {of['value'].nunique()} different values; "
            "importance needs two"
        )
    points = points_of(study, of, of["value"].to_numpy(float))
    name = evaluator or method_for(points)
    shares = METHODS[name][1](points, seed)
    found = pd.DataFrame({"param": pd.Series(list(shares), dtype="str")})
    found["importance"] = pd.Series(list(shares.values()), dtype="float64")
    found.insert(0, "study", study["study"])
    return found.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def points_of(study: pd.Series, trials: pd.DataFrame, values: np.ndarray) -> Points:
    """The points of some trials, as they are searched, with a value each: the higher the better.

    `values` are in the metric's direction. Of the axes, constants are left out.
    """
    space = SearchSpace.from_json(json.loads(study["space"]))
    params, axes = [], []
    for row in trials.to_dict("records"):
        given = row_params(space, row)
        distributions = dict(space.distributions(given))
        params.append(space.encode({name: given[name] for name in distributions}))
        axes.append(distributions)
    better = values if study["direction"] == "maximize" else -values
    return as_searched(Points(params, axes, better), levels=study["mode"] != "search")

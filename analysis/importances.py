"""Which parameters mattered, by Optuna's own evaluators."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Literal

import pandas as pd

from analysis.loading import Tables, the_study
from analysis.summaries import ranked
from tuner.errors import ResultsError
from tuner.search_space.space import SearchSpace
from tuner.store.study_tables import row_params

if TYPE_CHECKING:
    import optuna

EVALUATORS = ("fanova", "ped_anova")


def importance(tables: Tables, evaluator: str = "fanova", *, seed: int = 0) -> pd.DataFrame:
    """How much of the value's variance each parameter explains, the most important first.

    study       string
    param       string
    importance  float64, shares that add up to 1

    "fanova": Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014; "ped_anova": Watanabe, Bansal, Hutter, "PED-ANOVA", IJCAI 2023. Both
    take the trials of one study that have a rank (STOPPED ones by the value that they came to: few
    are COMPLETE where trials are promoted), and the parameters that all of these have; constants
    are left out. Raises ResultsError for an unknown evaluator, fewer than two such trials, or
    values that are all the same.
    """
    import optuna
    from optuna.importance import (
        FanovaImportanceEvaluator,
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    if evaluator not in EVALUATORS:
        raise ResultsError(f"evaluator {evaluator!r} is not one of {', '.join(EVALUATORS)}")
    study = the_study(tables.studies)
    of = tables.trials[ranked(tables)]
    if of["value"].nunique() < 2:
        raise ResultsError(
            f"{study['study']} has {len(of)} trials of {of['value'].nunique()} different values; "
            "importance needs two"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        told = as_optuna(tables)
        make = (
            FanovaImportanceEvaluator(seed=seed)
            if evaluator == "fanova"
            else PedAnovaImportanceEvaluator()
        )
        shares = get_param_importances(told, evaluator=make)
    found = pd.DataFrame({"param": pd.Series(list(shares), dtype="str")})
    found["importance"] = pd.Series(list(shares.values()), dtype="float64")
    found.insert(0, "study", study["study"])
    return found.sort_values("importance", ascending=False, kind="stable", ignore_index=True)


def as_optuna(tables: Tables) -> optuna.Study:
    """One study's trials that have a rank, as an Optuna study in memory."""
    import optuna

    study = the_study(tables.studies)
    space = SearchSpace.from_json(json.loads(study["space"]))
    direction: Literal["maximize", "minimize"] = study["direction"]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for each study made
    told = optuna.create_study(direction=direction)
    optuna.logging.set_verbosity(verbosity)
    for row in tables.trials[ranked(tables)].to_dict("records"):
        params = row_params(space, row)
        distributions = space.distributions(params)
        told.add_trial(
            optuna.trial.create_trial(
                params=space.encode({name: params[name] for name in distributions}),
                distributions=distributions,
                value=row["value"],
            )
        )
    return told

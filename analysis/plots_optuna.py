"""Pictures that Optuna draws well, of a study's trials: its own visualization, in our colours."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Literal

import plotly.graph_objects as go

from analysis.loading import Tables, the_study
from analysis.plots import varied
from analysis.styles import safe, styled
from analysis.summaries import ranked
from tuner.search_space.space import SearchSpace
from tuner.store.study_tables import row_params

if TYPE_CHECKING:
    import optuna


def rank(tables: Tables) -> go.Figure:
    """The parameters that varied, a panel a pair, each trial coloured by its rank."""
    from optuna.visualization import plot_rank

    figure = plot_rank(as_optuna(tables), params=varied(tables.trials))
    metric = safe(the_study(tables.studies)["metric"])
    return styled(figure, f"Trials by the rank of their {metric}", None, None)


def edf(tables: Tables) -> go.Figure:
    """Which share of the trials is at most as large as a value."""
    from optuna.visualization import plot_edf

    metric = the_study(tables.studies)["metric"]
    figure = plot_edf(as_optuna(tables), target_name=metric)
    return styled(figure, "Distribution of the values", metric, "share of the trials")


def as_optuna(tables: Tables) -> optuna.Study:
    """One study's trials that have a rank, as an Optuna study in memory."""
    import optuna

    study = the_study(tables.studies)
    space = SearchSpace.from_json(json.loads(study["space"]))
    direction: Literal["maximize", "minimize"] = study["direction"]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for each study made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        told = optuna.create_study(direction=direction)
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
    optuna.logging.set_verbosity(verbosity)
    return told

"""Pictures that Optuna draws well, of a study's trials: its own visualization, in our colours."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.importances import as_optuna
from analysis.loading import Tables, the_study
from analysis.plots import varied
from analysis.styles import safe, styled


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

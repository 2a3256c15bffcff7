"""Pictures of a search for several goals: its front, and how it grew."""

from __future__ import annotations

import json

import pandas as pd
import plotly.graph_objects as go

from analysis.loading import Tables, the_study
from analysis.styles import GREEN, GREY, RED, SKY, safe, styled
from analysis.summaries import ranked
from tuner.store.fronts import check_several, front_of, growth_of


def goals_of(study: pd.Series) -> dict[str, str]:
    """The goals of a studies table's row: metrics with their directions."""
    goals: dict[str, str] = json.loads(study["goals"])
    return goals


def front(tables: Tables, x: int = 0, y: int = 1) -> go.Figure:
    """The trials by two of the goals, those of the front joined, infeasible ones apart.

    Raises ResultsError for a study of one goal.
    """
    study = the_study(tables.studies)
    goals = goals_of(study)
    check_several(goals)
    counts = ranked(tables)
    best = front_of(tables.trials[counts], goals).sort_values(f"value_{x}")
    others = tables.trials[counts & ~tables.trials["trial"].isin(best["trial"])]
    infeasible = tables.trials[tables.trials["feasible"].eq(False)]
    figure = go.Figure()
    for name, rows, colour in (
        ("beaten", others, SKY),
        ("infeasible", infeasible, RED),
        ("front", best, GREEN),
    ):
        if len(rows):
            figure.add_scatter(
                x=rows[f"value_{x}"], y=rows[f"value_{y}"], name=name, marker_color=colour,
                mode="lines+markers" if name == "front" else "markers",
                line={"color": GREY, "width": 1}, text=[f"trial {t}" for t in rows["trial"]],
            )  # fmt: skip
    names = list(goals)
    return styled(figure, "Front", safe(names[x]), safe(names[y]))


def growth(tables: Tables) -> go.Figure:
    """The hypervolume of the front by trial. Raises ResultsError for a study of one goal."""
    goals = goals_of(the_study(tables.studies))
    check_several(goals)
    rows = growth_of(tables.trials[ranked(tables)], goals)
    figure = go.Figure()
    figure.add_scatter(
        x=rows["trial"], y=rows["hypervolume"], mode="lines", line_shape="hv", line_color=GREEN
    )
    return styled(figure, "Hypervolume", "trial", "share of the box that is dominated")

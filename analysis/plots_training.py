"""Pictures of what was trained: folds, losses, times, data; and which of all suit a study."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.loading import Tables, the_study
from analysis.plots import (
    contour,
    heatmap,
    history,
    importances,
    learning_curves,
    numeric,
    parallel,
    rung_survival,
    slices,
    varied,
)
from analysis.spans import rows_of, spans
from analysis.styles import BLUE, ORANGE, STATE_COLOURS, safe, styled, text_of
from analysis.summaries import last_values, overview, ranked, rungs
from tuner.errors import ResultsError
from tuner.store.layout import PARAM_PREFIX

IMPORTANCE_TRIALS = 10
"""Trials with a value from which a report dares to speak of importance."""


def folds(tables: Tables) -> go.Figure:
    """A cross-validation: the folds' values by configuration, the best first."""
    study = the_study(tables.studies)
    last = last_values(tables)
    ranked = tables.trials[tables.trials["value"].notna()].sort_values(
        "value", ascending=study["direction"] == "minimize"
    )
    names = varied(tables.trials)
    figure = go.Figure()
    for row in ranked.head(40).to_dict("records"):
        chosen = [text_of(row[PARAM_PREFIX + n]) for n in names if not _missing(row, n)]
        label = ", ".join(chosen) or f"trial {row['trial']}"
        figure.add_box(
            y=last.loc[[row["trial"]]].to_numpy(), name=label, boxpoints="all", marker_color=BLUE,
            showlegend=False,
        )  # fmt: skip
    return styled(figure, "Folds by configuration", None, study["metric"])


def timeline(tables: Tables) -> go.Figure:
    """When each training ran, a row a worker: how busy the workers were, and when they started.

    A bar a trial, or a fold of it in a cross-validation, and from each pause to the next one;
    trials that shared a training have none. Where no worker is known, rows are slots.
    """
    cells = spans(tables)
    numbers, rows = rows_of(cells)
    figure = go.Figure()
    for state, bars in cells.assign(row=numbers).groupby("state", sort=False):
        named = [
            f"trial {bar.trial}, fold {bar.fold}<br>{safe(rows[bar.row].worker)}"
            for bar in bars.itertuples()
        ]
        figure.add_bar(
            orientation="h", name=str(state), marker_color=STATE_COLOURS[str(state)],
            base=bars["begin"], x=bars["seconds"], y=[rows[row].name for row in bars["row"]],
            customdata=named, hovertemplate="%{customdata}: %{x:.1f} s<extra></extra>",
        )  # fmt: skip
    order = [row.name for row in rows]
    figure.update_yaxes(categoryorder="array", categoryarray=order, autorange="reversed")
    figure.update_layout(barmode="overlay")
    return styled(figure, "Timeline", "seconds since the first training began", None)


def train_and_validation(tables: Tables, trial: int, *, square_root: bool = False) -> go.Figure:
    """Loss and accuracy of one trial, training and validation, by epoch (means over folds).

    With `square_root` the epochs are on a square-root scale, which shows the early ones.
    """
    reports = tables.reports[tables.reports["trial"] == trial]
    pairs = [name for name in ("loss", "accuracy") if {name, f"val_{name}"} <= set(reports)]
    if reports.empty or not pairs:
        raise ResultsError(f"trial {trial} has no reports of loss and val_loss to draw")
    means = reports.groupby("epoch")[[n for p in pairs for n in (p, f"val_{p}")]].mean()
    figure = make_subplots(rows=1, cols=len(pairs), subplot_titles=pairs)
    at = np.sqrt(means.index) if square_root else means.index
    for column, pair in enumerate(pairs, 1):
        for name, colour in ((pair, BLUE), (f"val_{pair}", ORANGE)):
            what = "training" if name == pair else "validation"
            figure.add_scatter(
                x=at, y=means[name], name=what, line_color=colour, showlegend=column == 1,
                row=1, col=column,
            )  # fmt: skip
    if square_root:
        marks = [e for e in (1, 4, 9, 16, 25, 49, 100, 225, 400) if e <= means.index.max()]
        figure.update_xaxes(tickvals=np.sqrt(marks), ticktext=marks)
    styled(figure, f"Training and validation, trial {trial}", "epoch", None)
    return figure.update_layout(legend_y=1.1)  # above the panels' titles


def images(x: np.ndarray, y: np.ndarray, count: int = 30) -> go.Figure:
    """The first images of a dataset: x (n, height, width[, channels]) in 0..1, labels y (n)."""
    if x.ndim not in (3, 4):
        raise ResultsError(f"samples of shape {x.shape[1:]} are not images to draw")
    columns = 10
    rows = -(-min(count, len(x)) // columns)
    titles = [str(label) for label in y[:count]]
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=titles)
    for index, image in enumerate(x[:count]):
        grey = image if image.ndim == 2 else image.mean(axis=-1)
        figure.add_heatmap(
            z=grey[::-1], colorscale="Greys", showscale=False, hoverinfo="skip",
            row=index // columns + 1, col=index % columns + 1,
        )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return styled(figure, "Samples", None, None)


def suited(tables: Tables) -> list[go.Figure]:
    """The figures that suit a study's mode, in the order of a report."""
    study = the_study(tables.studies)
    trials = tables.trials
    valued = trials[trials["value"].notna()]
    figures = [history(tables)] if len(valued) else []
    if study["mode"] == "cv" and len(valued):
        figures.append(folds(tables))
    if study["metric"] in tables.reports and tables.reports["epoch"].max() > 1:
        figures.append(learning_curves(tables))
    if rungs(tables):
        figures.append(rung_survival(tables))
    names, numbers = varied(valued), numeric(tables)
    if study["mode"] == "grid" and len(names) >= 2:
        widest = sorted(names, key=lambda n: -valued[PARAM_PREFIX + n].nunique())[:2]
        figures.append(heatmap(tables, *widest))
    if study["mode"] == "search" and len(numbers) >= 2 and len(valued) > 3:
        with suppress(ResultsError):  # no trial has both, say, or all lie on a line
            figures.append(contour(tables, *numbers[:2]))
    of = trials[ranked(tables)]
    if len(of) >= IMPORTANCE_TRIALS and of["value"].nunique() > 1 and varied(of):
        figures.append(importances(tables))
    if names and study["mode"] != "cv":
        figures += [slices(tables), parallel(tables)]
    if len(of) and {"loss", "val_loss"} <= set(tables.reports):
        best = int(overview(tables)["best_trial"].iloc[0])
        figures.append(train_and_validation(tables, best))
    if tables.reports["at"].notna().any():
        figures.append(timeline(tables))
    return figures


def _missing(row: dict[str, Any], name: str) -> bool:
    return bool(pd.isna(row[PARAM_PREFIX + name]))

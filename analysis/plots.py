"""Pictures of a study's search (plotly figures), each from the tables of `analysis.load`.

tables = analysis.load("results/lr_momentum")
plots.history(tables).show()
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.importances import importance
from analysis.loading import Tables, the_study
from analysis.shares import Importance
from analysis.styles import (
    BLUE,
    GREEN,
    GREY,
    RED,
    SKY,
    STATE_COLOURS,
    axis_type,
    plain,
    real,
    safe,
    scale_of,
    styled,
    text_of,
)
from analysis.summaries import chosen, pivot, ranked, rungs
from tuner.errors import ResultsError
from tuner.store.layout import PARAM_PREFIX

CURVES = 300
"""Learning curves drawn at most: the best and the newest; a page with more is slow to open."""
CELLS = 60
"""Points of a contour's mesh along each axis."""


def history(tables: Tables) -> go.Figure:
    """Values by trial, coloured by state, with the best so far as a line."""
    study = the_study(tables.studies)
    trials = tables.trials[tables.trials["value"].notna()]
    figure = go.Figure()
    for state, group in trials.groupby("state"):
        figure.add_scatter(
            x=group["trial"], y=group["value"], mode="markers", name=state,
            marker_color=STATE_COLOURS[str(state)],
        )  # fmt: skip
    done = trials[ranked(tables)[trials.index]].sort_values("trial")
    if len(done):
        best = (
            done["value"].cummax() if study["direction"] == "maximize" else done["value"].cummin()
        )
        figure.add_scatter(
            x=done["trial"], y=best, mode="lines", line_shape="hv", name="best so far",
            line_color=GREEN,
        )  # fmt: skip
    figure.update_yaxes(type=axis_type(trials["value"], study["direction"]))
    return styled(figure, "Optimisation history", "trial", study["metric"])


def learning_curves(tables: Tables) -> go.Figure:
    """The metric by epoch, a line a cell, coloured by state, with the rungs drawn."""
    study = the_study(tables.studies)
    metric = study["metric"]
    if metric not in tables.reports:
        raise ResultsError(f"metric {metric!r} was never reported: there are no curves to draw")
    states = tables.trials.set_index("trial")["state"]
    reports = tables.reports[
        tables.reports["trial"].isin(_drawn(tables.trials, study["direction"]))
    ]
    figure = go.Figure()
    state_of = reports["trial"].map(states)
    for state, group in reports.groupby(state_of):
        figure.add_scatter(
            **_joined(group, "epoch", metric), mode="lines+markers", name=str(state), opacity=0.6,
            line={"color": STATE_COLOURS[str(state)], "width": 1}, marker_size=4,
        )  # fmt: skip
    for rung in rungs(tables):
        figure.add_vline(x=rung, line={"dash": "dot", "width": 1, "color": GREY})
    values = reports[metric].dropna()
    figure.update_yaxes(type=axis_type(values, study["direction"]))
    return styled(figure, "Learning curves", "epoch", metric)


def rung_survival(tables: Tables) -> go.Figure:
    """How many trials trained at least to each rung, and how many of them went on past it.

    One that goes on from another's weights counts from the rung at which it began.
    """
    trained = tables.reports.groupby("trial")["epoch"].agg(["min", "max"])
    stops = rungs(tables)
    reached = [int(trained.query("min <= @rung <= max").shape[0]) for rung in stops]
    passed = [int(trained.query("min <= @rung < max").shape[0]) for rung in stops]
    names = [f"epoch {rung}" for rung in stops]
    figure = go.Figure()
    figure.add_bar(x=names, y=reached, name="reached it", marker_color=SKY)
    figure.add_bar(x=names, y=passed, name="went on", marker_color=BLUE)
    figure.update_layout(barmode="group")
    return styled(figure, "Rung survival", "rung", "trials")


def slices(tables: Tables) -> go.Figure:
    """The value against each parameter that varied, a panel each."""
    study = the_study(tables.studies)
    names = varied(tables.trials)
    trials = tables.trials[tables.trials["value"].notna()]
    columns = min(3, max(1, len(names)))
    rows = max(1, -(-len(names) // columns))
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=[safe(n) for n in names])
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        values = chosen(tables, name)[trials.index].dropna()
        shown = trials.loc[values.index]
        figure.add_scatter(
            x=plain(values), y=shown["value"], mode="markers",
            marker={"color": [STATE_COLOURS[s] for s in shown["state"]], "size": 5},
            showlegend=False, row=row + 1, col=column + 1,
        )  # fmt: skip
        figure.update_xaxes(type=scale_of(study, name), row=row + 1, col=column + 1)
        figure.update_yaxes(type=axis_type(trials["value"], study["direction"]))
    figure.update_layout(height=120 + 240 * rows, meta={"min_width": 230 * columns})
    return styled(figure, f"{safe(study['metric'])} by parameter", None, None)


def parallel(tables: Tables) -> go.Figure:
    """Parallel coordinates: a line a trial through its parameters and its value."""
    study = the_study(tables.studies)
    trials = tables.trials[tables.trials["value"].notna()]
    dimensions = []
    for name in varied(trials):
        column = trials[PARAM_PREFIX + name]
        if scale_of(study, name) == "category":
            codes, choices = pd.factorize(pd.Series(plain(column)), sort=True)
            ticks = {"tickvals": [*range(len(choices))], "ticktext": [str(c) for c in choices]}
            dimensions.append({"label": safe(name), "values": codes, **ticks})
        elif scale_of(study, name) == "log":
            label = f"log10 {safe(name)}"
            dimensions.append({"label": label, "values": np.log10(column.astype(float))})
        else:
            dimensions.append({"label": safe(name), "values": column.astype(float)})
    dimensions.append({"label": safe(study["metric"]), "values": trials["value"]})
    colours = {"color": trials["value"], "colorscale": "Cividis", "showscale": False}
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=colours))
    figure.update_layout(meta={"min_width": 110 * len(dimensions)})
    return styled(figure, "Parallel coordinates", None, None)


def contour(tables: Tables, x: str, y: str, *, path: bool = True) -> go.Figure:
    """The value over two numeric parameters, interpolated, with the path of the best so far."""
    from scipy.interpolate import griddata
    from scipy.spatial import QhullError

    study = the_study(tables.studies)
    both = ["value", PARAM_PREFIX + x, PARAM_PREFIX + y]
    trials = tables.trials.dropna(subset=both).sort_values("trial")
    if trials.empty:
        raise ResultsError(f"no contour over {x!r} and {y!r}: no trial has a value and both")
    points = [real(study, trials, name) for name in (x, y)]
    value = trials["value"].to_numpy()
    label = study["metric"]
    if axis_type(trials["value"], study["direction"]) == "log":
        value, label = np.log10(value), f"log10 {label}"
    edges = [np.linspace(axis.min(), axis.max(), CELLS) for axis in points]
    mesh = np.meshgrid(*edges)
    try:
        height = griddata(np.column_stack(points), value, tuple(mesh), method="linear")
    except QhullError:
        raise ResultsError(
            f"no contour over {x!r} and {y!r}: too few points, or all of them on a line"
        ) from None
    figure = go.Figure()
    figure.add_contour(
        x=edges[0], y=edges[1], z=height, colorscale="Cividis", colorbar_title=safe(label)
    )
    figure.add_scatter(
        x=points[0], y=points[1], mode="markers", name="trials", marker={"color": GREY, "size": 4}
    )
    if path:
        best = (
            trials["value"].cummax()
            if study["direction"] == "maximize"
            else trials["value"].cummin()
        )
        steps = (trials["value"] == best) & (best != best.shift()).to_numpy()
        figure.add_scatter(
            x=points[0][steps], y=points[1][steps], mode="lines+markers", name="best so far",
            line_color=RED,
        )  # fmt: skip
    names = [f"log10 {n}" if scale_of(study, n) == "log" else n for n in (x, y)]
    return styled(figure, f"{safe(study['metric'])} over {safe(x)} and {safe(y)}", *names)


def heatmap(tables: Tables, x: str, y: str) -> go.Figure:
    """The best value for each pair of two parameters' values, over all the others."""
    study = the_study(tables.studies)
    table = pivot(tables, y, x)
    figure = go.Figure()
    figure.add_heatmap(
        z=table.to_numpy(), x=[text_of(v) for v in table.columns],
        y=[text_of(v) for v in table.index], colorscale="Cividis", texttemplate="%{z:.4g}",
    )  # fmt: skip
    figure.update_xaxes(type="category")
    figure.update_yaxes(type="category")
    return styled(figure, f"Best {safe(study['metric'])} of each pair", x, y)


def importances(tables: Tables, of: Importance | None = None) -> go.Figure:
    """How much each parameter explains, as bars.

    Of the value's variance by `importance`; or what was worked out already: `of`, with the interval
    of 90% of its resamples, and a line up to which shuffled results reach.
    """
    figure = go.Figure()
    if of is None:
        shares = importance(tables).sort_values("importance")
        found, names = shares["importance"], [safe(name) for name in shares["param"]]
        figure.add_bar(x=found, y=names, orientation="h", marker_color=BLUE)
        title = "share of the variance explained"
        return styled(figure, "Importance of the parameters", title, None)
    ordered = list(of.shares)[::-1]
    names = [safe(one.param) for one in ordered]
    figure.add_bar(
        x=[one.share for one in ordered], y=names, orientation="h", marker_color=BLUE,
        name="share", error_x={
            "array": [max(0.0, one.high - one.share) for one in ordered],
            "arrayminus": [max(0.0, one.share - one.low) for one in ordered],
        },
    )  # fmt: skip
    figure.add_scatter(
        x=[one.floor for one in ordered], y=names, mode="markers", name="shuffled results reach",
        marker={"symbol": "line-ns-open", "size": 16, "color": RED},
    )  # fmt: skip
    title = f"share of the variance in rank explained ({of.method})"
    return styled(figure, "Importance of the parameters", title, None)


def varied(trials: pd.DataFrame) -> list[str]:
    """The parameters that took more than one value, without their prefix."""
    names = [name for name in trials.columns if name.startswith(PARAM_PREFIX)]
    return [
        name.removeprefix(PARAM_PREFIX) for name in names if trials[name].nunique(dropna=False) > 1
    ]


def numeric(tables: Tables) -> list[str]:
    """The varied parameters that are numbers."""
    study = the_study(tables.studies)
    return [name for name in varied(tables.trials) if scale_of(study, name) != "category"]


def _drawn(trials: pd.DataFrame, direction: str) -> set[int]:
    if len(trials) <= CURVES:
        return set(trials["trial"])
    best = trials.sort_values("value", ascending=direction == "minimize")["trial"].head(CURVES // 2)
    return {*best, *trials["trial"].tail(CURVES - len(best))}


def _joined(reports: pd.DataFrame, x: str, y: str) -> dict[str, list[Any]]:
    """Many lines as one trace, parted by gaps: plotly is slow with hundreds of traces."""
    found: dict[str, list[Any]] = {"x": [], "y": [], "text": []}
    for (trial, fold), cell in reports.sort_values("epoch").groupby(["trial", "fold"]):
        found["x"] += [*cell[x], None]
        found["y"] += [*(v if np.isfinite(v) else None for v in cell[y]), None]
        found["text"] += [f"trial {trial}, fold {fold}"] * (len(cell) + 1)
    return found

"""What the figures share: colours, escaped labels, axes.

Colours are Okabe and Ito's, which the colour-blind can tell apart; a state always has the same one.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tuner.store.layout import PARAM_PREFIX

BLUE, RED, GREEN, PINK, ORANGE, SKY, GREY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F",
)  # fmt: skip
STATE_COLOURS = {
    "COMPLETE": BLUE,
    "STOPPED": ORANGE,
    "DIVERGED": RED,
    "FAILED": PINK,
    "RUNNING": GREY,
}


def styled(figure: go.Figure, title: str, x: str | None, y: str | None) -> go.Figure:
    """The figure with its title and axis titles, on a page of any colour."""
    figure.update_layout(
        title={"text": title, "x": 0.02},
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 60, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    if x is not None:
        figure.update_xaxes(title_text=safe(x))
    if y is not None:
        figure.update_yaxes(title_text=safe(y))
    return figure


def safe(text: str) -> str:
    """A label: plotly reads tags in it, and what a user named may look like one."""
    return html.escape(str(text))


def text_of(value: Any) -> str:
    """A value as a label."""
    return safe(f"{value:.4g}" if isinstance(value, float) else str(value))


def plain(column: pd.Series) -> Sequence[Any]:
    """A column for plotly: numbers as they are, all else as escaped text."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return list(column)
    return [safe(value) for value in column]


def scale_of(study: pd.Series, name: str) -> str:
    """What a parameter's axis is: log, linear or category."""
    axis = json.loads(study["space"]).get(name, {})
    if axis.get("kind") not in ("float", "int"):
        return "category"
    return "log" if axis.get("log") else "linear"


def real(study: pd.Series, trials: pd.DataFrame, name: str) -> np.ndarray:
    """A numeric parameter as it is drawn: log10 of it on a log axis."""
    values: np.ndarray = trials[PARAM_PREFIX + name].to_numpy(dtype=float)
    if scale_of(study, name) == "log":
        values = np.log10(values)
    return values


def axis_type(values: pd.Series, direction: str) -> str:
    """Logarithmic for a loss that spans decades, else linear."""
    known = values[np.isfinite(values)]
    if (
        direction == "minimize"
        and len(known)
        and known.min() > 0
        and known.max() > 100 * known.min()
    ):
        return "log"
    return "linear"

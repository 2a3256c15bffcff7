"""A study's results as a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from tuner.shown import shown
from tuner.store.layout import PARAM_PREFIX
from tuner.store.study_tables import StudyTables

TOP = 5
"""Trials in the table."""
WIDTH, HEIGHT = 240, 36
"""Pixels of the line that shows the best value so far."""


class Answer(NamedTuple):
    """The best trial in words."""

    metric: str
    value: str
    trial: int
    params: str


def html_of(results: StudyTables) -> str:
    """The answer, the five best trials and the best value so far, escaped."""
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("tuner.results", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: shown(str(value)) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("results.html.j2")
    states = results.trials["state"].value_counts()
    head, rows = _top(results)
    return page.render(
        name=results.study.name,
        answer=_answer(results),
        states=", ".join(f"{count} {state}" for state, count in sorted(states.items())),
        head=head,
        rows=rows,
        line=_line(_best_so_far(results)),
        width=WIDTH,
        height=HEIGHT,
        path=str(results.path),
    )


def _answer(results: StudyTables) -> Answer | None:
    row = results.best_row
    if row is None:
        return None
    params = ", ".join(f"{name} {_text(value)}" for name, value in results.best_params.items())
    return Answer(
        results.study.experiment.metric, _text(float(row["value"])), int(row["trial"]), params
    )


def _top(results: StudyTables) -> tuple[list[str], list[list[str]]]:
    best = results.ranked()
    best = best[best["ranks"]].head(TOP)
    params = [name for name in best if name.startswith(PARAM_PREFIX)]
    names = ["trial", "state", "value", "epochs", *params]
    rows = [[_text(row[name]) for name in names] for _, row in best.iterrows()]
    return [name.removeprefix(PARAM_PREFIX) for name in names], rows


def _best_so_far(results: StudyTables) -> list[float]:
    ranked = results.ranked()
    values = ranked[ranked["ranks"]].sort_values("trial")["value"]
    least = results.study.experiment.direction == "minimize"
    return list(values.cummin() if least else values.cummax())


def _line(values: Sequence[float]) -> str:
    """The points of an SVG's line, low values at the bottom; empty for fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step, scale = (WIDTH - 4) / (len(values) - 1), (HEIGHT - 4) / ((high - low) or 1.0)
    return " ".join(
        f"{2 + index * step:.1f},{HEIGHT - 2 - (value - low) * scale:.1f}"
        for index, value in enumerate(values)
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) and pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""`results.plot(kind)`: every figure that there is of a study, by one name each."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import analysis
from analysis import plots, plots_goals, plots_optuna, plots_training
from analysis.facts.kept import first_of, importance_in, kept_of
from analysis.loading import Tables, the_study
from tuner.errors import ResultsError
from tuner.store.layout import PARAM_PREFIX

if TYPE_CHECKING:
    import plotly.graph_objects as go


def _numeric_pair(tables: Tables) -> tuple[str, ...]:
    """The two numeric parameters that matter most, or the first two."""
    names = plots.numeric(tables)
    if len(names) < 2:
        raise ResultsError(
            f"a contour needs two numeric parameters that varied, and there are {len(names)}"
        )
    of = first_of(kept_of(tables) or {})
    order = list(analysis.importance(tables)["param"]) if of is None else of.names
    known = sorted(names, key=lambda name: order.index(name) if name in order else len(order))
    return known[0], known[1]


def _check_axes(tables: Tables, x: str, y: str, *, among: Sequence[str]) -> None:
    """Raises ResultsError for a parameter that the trials lack."""
    for field, name in (("x", x), ("y", y)):
        if PARAM_PREFIX + name not in tables.trials:
            raise ResultsError(
                f"the trials have no parameter {name!r}",
                field=field,
                way_out=f"name one of {', '.join(among)}",
            )


def _folds(tables: Tables) -> go.Figure:
    metric = the_study(tables.studies)["metric"]
    if metric not in tables.reports:
        raise ResultsError(f"metric {metric!r} was never reported: there are no folds to draw")
    return plots_training.folds(tables)


def _contour(tables: Tables, x: str = "", y: str = "", *, path: bool = True) -> go.Figure:
    if not x or not y:
        x, y = _numeric_pair(tables)
    _check_axes(tables, x, y, among=plots.numeric(tables))
    return plots.contour(tables, x, y, path=path)


def _heatmap(tables: Tables, x: str = "", y: str = "") -> go.Figure:
    names = plots.varied(tables.trials)
    if len(names) < 2 and not (x and y):
        raise ResultsError(f"a heat map needs two parameters that varied; there are {len(names)}")
    x, y = x or names[0], y or names[1]
    _check_axes(tables, x, y, among=names)
    return plots.heatmap(tables, x, y)


def _importance(tables: Tables) -> go.Figure:
    """What a report says too, with the same intervals; of few trials the shares alone."""
    return plots.importances(tables, first_of(importance_in(tables)))


def _loss(tables: Tables, trial: int | None = None, *, square_root: bool = False) -> go.Figure:
    if trial is None:
        best = analysis.overview(tables)["best_trial"].iloc[0]
        trial = 0 if pd.isna(best) else int(best)
    return plots_training.train_and_validation(tables, trial, square_root=square_root)


KINDS: dict[str, Callable[..., go.Figure]] = {
    "history": plots.history,
    "curves": plots.learning_curves,
    "importance": _importance,
    "parallel": plots.parallel,
    "slice": plots.slices,
    "contour": _contour,
    "heatmap": _heatmap,
    "rungs": plots.rung_survival,
    "folds": _folds,
    "timeline": plots_training.timeline,
    "loss": _loss,
    "rank": plots_optuna.rank,
    "edf": plots_optuna.edf,
    "front": plots_goals.front,
    "hypervolume": plots_goals.growth,
}
"""The figures by name; each takes the tables and options of its own."""


def plot(path: Path, kind: str, **options: Any) -> go.Figure:
    """A figure of the study at `path`. Raises ResultsError for a kind that there is not."""
    if kind not in KINDS:
        close = difflib.get_close_matches(str(kind), KINDS, n=1)
        raise ResultsError(
            f"{kind!r} is not one of {', '.join(KINDS)}",
            field="kind",
            way_out=f"did you mean {close[0]!r}?" if close else "",
        )
    draw = KINDS[kind]
    taken = list(inspect.signature(draw).parameters)[1:]  # after the tables
    unknown = next((name for name in options if name not in taken), None)
    if unknown is not None:
        raise ResultsError(
            f"{kind!r} takes no such option",
            field=unknown,
            way_out=f"it takes {', '.join(taken)}" if taken else "leave it out",
        )
    return draw(analysis.load(path), **options)

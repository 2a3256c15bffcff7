"""`results.plot(kind)`: every figure that there is of a study, by one name each."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analysis
from analysis import plots, plots_goals, plots_optuna, plots_training
from analysis.facts.kept import first_of, importance_in, kept_of
from analysis.loading import Tables
from tuner.errors import ResultsError

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


def _contour(tables: Tables, x: str = "", y: str = "", **options: Any) -> go.Figure:
    if not x or not y:
        x, y = _numeric_pair(tables)
    return plots.contour(tables, x, y, **options)


def _heatmap(tables: Tables, x: str = "", y: str = "") -> go.Figure:
    names = plots.varied(tables.trials)
    if len(names) < 2 and not (x and y):
        raise ResultsError(f"a heat map needs two parameters that varied; there are {len(names)}")
    return plots.heatmap(tables, x or names[0], y or names[1])


def _importance(tables: Tables, **options: Any) -> go.Figure:
    """What a report says too, with the same intervals; of few trials the shares alone."""
    return plots.importances(tables, first_of(importance_in(tables)), **options)


def _loss(tables: Tables, trial: int | None = None, **options: Any) -> go.Figure:
    if trial is None:
        best = analysis.overview(tables)["best_trial"].iloc[0]
        trial = int(best) if best == best else 0
    return plots_training.train_and_validation(tables, trial, **options)


KINDS: dict[str, Callable[..., go.Figure]] = {
    "history": plots.history,
    "curves": plots.learning_curves,
    "importance": _importance,
    "parallel": plots.parallel,
    "slice": plots.slices,
    "contour": _contour,
    "heatmap": _heatmap,
    "rungs": plots.rung_survival,
    "folds": plots_training.folds,
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
    return KINDS[kind](analysis.load(path), **options)

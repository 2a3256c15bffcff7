"""The rule of one standard error: the simplest trial that cannot be told from the best.

Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), section 3.4.3: of
those whose mean over the folds lies within one standard error of the best one's, the simplest.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tuner.errors import StudyError
from tuner.store.layout import PARAM_PREFIX

if TYPE_CHECKING:
    import pandas as pd

SIZE = "parameters"
"""The metric by which a trial says how large its model is (`trial.model_stats`)."""


class Simplest(NamedTuple):
    """The simplest of the equals, and `why` it is."""

    trial: int
    why: str


def simplest_of_equals(
    ranked: pd.DataFrame, reports: pd.DataFrame, cells: int, by: str | None = None
) -> Simplest:
    """The simplest of the trials that rank, the best value first, of `cells` trainings each.

    `by` names a parameter or a metric of which less is simpler (-NAME: more). Without it the
    simplest has the fewest `parameters`, where all that lie so near report them, else it has
    trained the fewest epochs. Of equals it is the better one. Raises StudyError where a trial has
    one training, none has a value, or `by` names nothing that they have.
    """
    if cells < 2:
        raise StudyError(
            "a trial has one training, and so no standard error",
            field="choose",
            way_out="take `mode` cv, or `repeats`",
        )
    if ranked.empty:
        raise StudyError("no trial has a value on all of its folds")
    best = ranked.iloc[0]
    error = float(best["value_std"]) / math.sqrt(cells - 1)  # the deviation in the table has ddof 0
    near = ranked[(ranked["value"] - best["value"]).abs() <= error]
    name, sizes, sign = _sizes(near, reports, by)
    order = near.assign(simplicity=sign * sizes.to_numpy(float)).sort_values(
        "simplicity", kind="stable", na_position="first"
    )
    trial = int(order["trial"].iloc[0])
    if len(near) == 1:
        return Simplest(
            trial, f"trial {trial}: no other lies within one standard error, {error:.2g}"
        )
    size = sizes.loc[order.index[0]]
    said = "without it" if size != size else f"{size:g}"
    return Simplest(
        trial,
        f"trial {trial}, the simplest ({name} {said}) of {len(near)} within one standard error, "
        f"{error:.2g}, of the best value, {best['value']:.4f} of trial {int(best['trial'])}",
    )


def _sizes(near: pd.DataFrame, reports: pd.DataFrame, by: str | None) -> tuple[str, pd.Series, int]:
    """What the trials' simplicity is told by, its numbers, and -1 where more of it is simpler.

    A parameter that a trial does not have is NaN: it is the simplest without it.
    """
    if by is None:
        found = _metric(near, reports, SIZE)
        return (SIZE, found, 1) if found is not None else ("epochs", near["epochs"], 1)
    name, sign = by.removeprefix("-"), -1 if by.startswith("-") else 1
    column = PARAM_PREFIX + name
    if column in near:
        import pandas as pd

        try:
            return name, pd.to_numeric(near[column]).astype(float), sign
        except (ValueError, TypeError):
            raise StudyError(
                f"{name!r} has values that are not numbers, and so no order",
                field="simplest",
                way_out="name another parameter, or a metric",
            ) from None
    found = _metric(near, reports, name)
    if found is None:
        raise StudyError(
            f"{name!r} is neither a parameter nor a metric that all of the equals report",
            field="simplest",
            way_out="name another",
        )
    return name, found, sign


def _metric(near: pd.DataFrame, reports: pd.DataFrame, name: str) -> pd.Series | None:
    """What each trial reported last of a metric; None where one has not."""
    if name not in reports:
        return None
    last = reports.sort_values("epoch").groupby("trial")[name].last()
    found = near["trial"].map(last)
    return None if found.isna().any() else found

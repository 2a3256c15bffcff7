"""Points that people give: checked against a space, and made its own values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, NotOnAxis
from tuner.search_space.space import SearchSpace


def checked_point(
    where: str, given: Mapping[str, Any], space: SearchSpace, *, field: str, table: bool = False
) -> dict[str, Any]:
    """A point, or a part of one, as the space has it; constants are left out.

    `table` says that it is a table's row: texts may be numbers, and it has a cell for every axis,
    also for those that do not exist beside the others. Raises SearchSpaceError for `field`, naming
    the place `where` it stands, the axis and the value.
    """
    point: dict[str, Any] = {}
    for name, value in given.items():
        if name not in space:
            raise SearchSpaceError(
                f"{where} names {name!r}, which is not an axis; the axes are: {', '.join(space)}",
                field=field,
            )
        axis = space[name]
        # A constant is what it is: under a scheduler that is what `epochs` becomes.
        if isinstance(axis, Constant):
            continue
        if _is_missing(value) and not (axis.holds(None) or _holds_nan(axis, value)):
            continue
        try:
            point[name] = axis.find(_read_value(axis, value, table))
        except NotOnAxis:
            raise SearchSpaceError(
                f"{where} has {name} = {value!r}, which the axis does not hold", field=field
            ) from None
    return {name: value for name, value in point.items() if space.may_exist(name, point)}


def points_within(
    points: Sequence[Mapping[str, Any]], axes: Mapping[str, Any]
) -> tuple[dict[str, Any], ...]:
    """What is left of points in a space that was narrowed: the values that its axes still hold."""
    space = SearchSpace(axes)
    within = (
        {name: v for name, v in point.items() if name in space and space[name].holds(v)}
        for point in points
    )
    return tuple(point for point in within if point)


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _holds_nan(axis: Axis, value: Any) -> bool:
    return value is not None and isinstance(value, float) and axis.holds(math.nan)


def _read_value(axis: Axis, value: Any, table: bool) -> Any:
    """A cell as the axis may have it: texts of a CSV as numbers, a missing one as None."""
    if _is_missing(value):
        return value if _holds_nan(axis, value) else None
    if isinstance(value, np.ndarray):
        return value.tolist()
    # Our tables hold labels: of a function and its name, or 1 and "1", they tell which it was.
    if table and isinstance(value, str) and isinstance(axis, Categorical) and value in axis.labels:
        return axis.decode(value)
    if table and isinstance(value, str) and not hasattr(axis, "choices"):
        try:
            return float(value)
        except ValueError:
            return value
    return value

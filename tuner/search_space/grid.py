"""Grids: every point that the axes' `grid=` values span, once each, in a stable order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Float
from tuner.search_space.space import SearchSpace


def grid_points(space: SearchSpace) -> list[dict[str, Any]]:
    """All points of the grid; the last axis varies fastest.

    A conditional axis expands only where it exists. Raises SearchSpaceError naming an axis without
    grid values.
    """
    for name, axis in space.items():
        if axis.grid is None:
            raise SearchSpaceError(
                f"axis {name!r} has no grid values; give it grid=[...], or fix it",
                field="space",
            )
    return list(_expand(space, list(space), {}))


def _expand(
    space: SearchSpace, names: list[str], point: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not names:
        yield dict(point)
        return
    name, *rest = names
    if not space.exists(name, point):
        yield from _expand(space, rest, point)
        return
    axis = space[name]
    for value in axis.grid or ():
        # A float axis may list whole numbers; its values, and so its seeds, are floats.
        exact = float(value) if isinstance(axis, Float) and value is not None else value
        yield from _expand(space, rest, {**point, name: exact})

"""Grids: every point that the axes' `grid=` values span, once each, in a stable order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, overload

from tuner.errors import SearchSpaceError
from tuner.search_space.space import SearchSpace

COSTLY = 1000
"""A grid of more trainings than this gets a line on what they cost."""

Point = dict[str, Any]


class Grid(Sequence[Point]):
    """All points of a grid; the last axis varies fastest. Points are made as they are asked for.

    A conditional axis expands only where it exists. Memory: a number for each combination of
    conditions that may hold, whatever the number of points. Raises SearchSpaceError naming
    an axis without grid values, and for more points than can be counted.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._names = list(space)
        self._values: dict[str, list[Any]] = {}
        for name, axis in space.items():
            values = axis.values()
            if values is None:
                raise SearchSpaceError(
                    f"axis {name!r} has no grid values; give it grid=[...], or fix it",
                    field="space",
                )
            self._values[name] = values
        self._conditions = [self._conditions_after(k) for k in range(len(self._names))]
        self._counts: dict[Any, int] = {}
        if (count := self._count(0, {})) > sys.maxsize:
            raise SearchSpaceError(
                f"the grid has {count:.1e} points",
                field="space",
                way_out="give its axes fewer values, or search a part of it",
            )

    def __len__(self) -> int:
        return self._count(0, {})

    def __iter__(self) -> Iterator[Point]:
        return self._expand(0, {})

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        left = index + len(self) if index < 0 else index
        if not 0 <= left < len(self):
            raise IndexError(f"point {index} of a grid of {len(self)}")
        point: Point = {}
        for k, name in enumerate(self._names):
            if not self._space.exists(name, point):
                continue
            for value in self._values[name]:
                point[name] = value
                behind = self._count(k + 1, point)
                if left < behind:
                    break
                left -= behind
        return point

    def _conditions_after(self, k: int) -> list[tuple[str, str]]:
        """(axis, parent) of the conditions that axes from the k-th on put to earlier ones."""
        earlier = self._names[:k]
        return [
            (name, parent)
            for name in self._names[k:]
            for parent in self._space[name].when or {}
            if parent in earlier
        ]

    def _count(self, k: int, point: Point) -> int:
        """How many points begin like this one, whose first k axes are set.

        That depends on which conditions hold, and on nothing else of the point.
        """
        if k == len(self._names):
            return 1
        key = k, *(self._space.meets(*condition, point) for condition in self._conditions[k])
        if key not in self._counts:
            self._counts[key] = self._count_anew(k, point)
        return self._counts[key]

    def _count_anew(self, k: int, point: Point) -> int:
        name = self._names[k]
        if not self._space.exists(name, point):
            return self._count(k + 1, point)
        values = self._values[name]
        later = self._conditions[k + 1] if k + 1 < len(self._names) else []
        if all(parent != name for _, parent in later):
            return len(values) * self._count(k + 1, point)
        return sum(self._count(k + 1, {**point, name: value}) for value in values)

    def _expand(self, k: int, point: Point) -> Iterator[Point]:
        if k == len(self._names):
            yield dict(point)
            return
        name = self._names[k]
        if not self._space.exists(name, point):
            yield from self._expand(k + 1, point)
            return
        for value in self._values[name]:
            yield from self._expand(k + 1, {**point, name: value})


def grid_points(space: SearchSpace) -> Grid:
    """All points of the grid. Raises SearchSpaceError naming an axis without grid values."""
    return Grid(space)


def cost_note(points: int, cells: int) -> str | None:
    """A line on what a large grid costs: `points` of `cells` trainings each."""
    trainings = points * cells
    if trainings <= COSTLY:
        return None
    days = trainings / 86400
    span = f"{days:,.1f} days" if days >= 1 else f"{trainings / 3600:.1f} hours"
    return (
        f"the grid takes {trainings:,} trainings: {span} for each second that one takes, divided "
        "by the workers; a search tries a part of it"
    )

"""Points beside a point: what population-based training tries next, with the weights of another.

Jaderberg et al., "Population Based Training of Neural Networks", 2017, section 4.1.2: a parameter
is drawn anew, or changed by a factor.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.ranges import top_of
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import is_number


def explorable(space: SearchSpace) -> tuple[str, ...]:
    """The axes with more than one value; the number of epochs is the budget, and not among them."""
    return tuple(name for name in space.searched() if name != "epochs")


def explored(
    space: SearchSpace,
    point: Mapping[str, Any],
    axes: Collection[str],
    random: np.random.Generator,
    *,
    resample: float,
    factors: Sequence[float],
) -> dict[str, Any]:
    """A point beside `point`: each of the `axes` is drawn anew with probability `resample`, else
    moved; an axis that exists at the new point alone is drawn.

    A number is moved by one of the `factors` and clipped to its range; where that leaves it where
    it is, and among choices that are numbers, it is moved to a neighbour. Other choices stay.
    """

    def pick(name: str, axis: Axis) -> Any:
        if name in point and name not in axes:
            return point[name]
        if name not in point or random.random() < resample:
            return drawn(axis, random)
        return _moved(axis, point[name], factors[int(random.integers(len(factors)))])

    return space.draw(pick)


def drawn(axis: Axis, random: np.random.Generator) -> Any:
    """A value from anywhere on an axis, uniform in the exponent on one with `log`."""
    if isinstance(axis, Constant):
        return axis.value
    if isinstance(axis, Categorical):
        return axis.choices[int(random.integers(len(axis.choices)))]
    top = top_of(axis)
    if axis.log:
        return _on(axis, math.exp(random.uniform(math.log(axis.low), math.log(top))))
    if axis.step is not None:
        steps = round((top - axis.low) / axis.step)
        return axis.find(axis.low + int(random.integers(steps + 1)) * axis.step)
    return _on(axis, float(random.uniform(axis.low, top)))


def elsewhere(
    space: SearchSpace, point: Mapping[str, Any], axes: Collection[str]
) -> dict[str, Any]:
    """The point with each of the `axes` that it has far from where it is."""

    def pick(name: str, axis: Axis) -> Any:
        if name not in point:  # it exists there alone
            return drawn(axis, np.random.default_rng(0))
        return _far(axis, point[name]) if name in axes else point[name]

    return space.draw(pick)


def _far(axis: Axis, value: Any) -> Any:
    if isinstance(axis, Constant):
        return value
    if isinstance(axis, Categorical):
        choices = list(axis.choices)
        return choices[(_place(axis, value) + 1) % len(choices)]
    top = top_of(axis)
    return _on(axis, axis.low if value - axis.low > top - value else top)


def _moved(axis: Axis, value: Any, factor: float) -> Any:
    if isinstance(axis, Constant):
        return value
    if isinstance(axis, Categorical):
        ordered = sorted(axis.choices) if all(map(is_number, axis.choices)) else [value]
        place = ordered.index(value) + (1 if factor > 1 else -1)
        return ordered[min(max(place, 0), len(ordered) - 1)]
    moved = _on(axis, value * factor)
    if moved == value and axis.step is not None:
        up = (factor > 1) == (value >= 0)
        moved = _on(axis, value + (axis.step if up else -axis.step))
    return moved


def _on(axis: Float | Int, value: float) -> Any:
    """The value of the axis that is nearest."""
    top = top_of(axis)
    value = min(max(value, axis.low), top)
    if axis.step is not None:
        value = axis.low + round((value - axis.low) / axis.step) * axis.step
    return axis.find(round(value) if isinstance(axis, Int) else axis.exact(value))


def _place(axis: Categorical, value: Any) -> int:
    label = axis.encode(value)
    return [axis.encode(choice) for choice in axis.choices].index(label)

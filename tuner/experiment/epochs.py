"""The axis `epochs`: what the option of that name makes of it, and what a scheduler does."""

from __future__ import annotations

from dataclasses import replace

from tuner.search_space.axes import Axis, Categorical, Constant, Int
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import UNSET, is_number


def with_epochs(space: SearchSpace, most: int | None, *, are_budget: bool) -> SearchSpace:
    """The space with its axis `epochs` up to `most` (None: as far as it goes).

    Where epochs `are_budget` the highest of them is the budget of every trial, and not searched.
    """
    axis = space.get("epochs")
    if axis is None:
        return space
    if most is not None:
        axis = _up_to(most, axis)
    if are_budget and (highest := _highest(axis)) is not None:
        axis = Constant(most or highest, when=axis.when)
    return space.replace({"epochs": axis})


def _up_to(most: int, axis: Axis) -> Axis:
    """The axis up to `most`, which is its only value where all others are above it."""
    if isinstance(axis, Constant):
        return replace(axis, value=most)
    if isinstance(axis, Categorical):
        choices = [one for one in axis.choices if not is_number(one) or one <= most] or [most]
        kept = Categorical(choices).holds(axis.default)
        return replace(axis, choices=choices, default=axis.default if kept else UNSET)
    if not isinstance(axis, Int):
        return axis
    low = min(axis.low, most)
    high = low + (most - low) // axis.step * axis.step
    grid = None if axis.grid is None else [one for one in axis.grid if one <= high] or [high]
    default = None if axis.default is None or axis.default > high else axis.default
    return replace(axis, low=low, high=high, grid=grid, default=default)


def _highest(axis: Axis) -> int | None:
    """The most epochs that the axis has; None where it is not of whole numbers, or constant."""
    if isinstance(axis, Int):
        return axis.high
    if isinstance(axis, Categorical) and all(type(choice) is int for choice in axis.choices):
        return int(max(axis.choices))
    return None

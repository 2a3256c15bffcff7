"""Parameter grids as scikit-learn has them, as search spaces, and their points back again.

A grid is a dict of lists, a list of such dicts, or a dict with tuner's axes among the lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import Value

SUBGRID = "grid"
"""The axis that says which dict of a list of dicts a point comes from."""


@dataclass(frozen=True)
class ParamGrid:
    """A search space, and what its points mean.

    `names` are the parameters behind the axes. `values` holds, by axis, what stands behind a label:
    an axis takes None, booleans, numbers and strings, a grid may list layers and tuples too.
    """

    space: SearchSpace
    names: Mapping[str, str]
    values: Mapping[str, Mapping[Value, Any]]

    def decode(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point of the space as the parameters that it stands for."""
        return {
            name: self.values[axis][point[axis]] if axis in self.values else point[axis]
            for axis, name in self.names.items()
            if axis in point
        }


def param_grid(declared: Any) -> ParamGrid:
    """The grid declared. Raises SearchSpaceError naming the parameter and the rule it breaks.

    Lists are expanded in scikit-learn's order: names sorted, the last one varying fastest.
    """
    if isinstance(declared, Mapping):
        return _made([declared])
    if not isinstance(declared, Sequence) or not all(isinstance(d, Mapping) for d in declared):
        raise SearchSpaceError(
            f"param_grid {declared!r:.200} is neither a dict of lists nor a list of such dicts"
        )
    if not declared:
        raise SearchSpaceError("param_grid [] holds no grid; give at least one dict")
    return _made(declared)


def _made(grids: Sequence[Mapping[str, Any]]) -> ParamGrid:
    several = len(grids) > 1
    axes: dict[str, Any] = {}
    names: dict[str, str] = {}
    values: dict[str, Mapping[Value, Any]] = {}
    taken = {name for grid in grids for name in grid}
    if several:
        axes[SUBGRID] = Categorical(range(len(grids)))
    for number, grid in enumerate(grids):
        listed = not any(isinstance(choices, Axis) for choices in grid.values())
        if several and not listed:
            raise SearchSpaceError(
                "param_grid is a list of dicts with axes in it; give one dict, "
                "and axes with when= for what exists only beside some values"
            )
        for name in sorted(grid) if listed else grid:
            axis = _free_name(f"{name}_{number}", {*axes, *taken}) if name in axes else name
            names[axis] = name
            axes[axis], values_of = _axis(name, grid[name], {SUBGRID: number} if several else None)
            if values_of is not None:
                values[axis] = values_of
    return ParamGrid(SearchSpace(axes), names, values)


def _free_name(name: str, taken: set[str]) -> str:
    """The name, or the first of its kind that no parameter has."""
    return name if name not in taken else _free_name(f"{name}_", taken)


def _axis(
    name: str, choices: Any, when: Mapping[str, Any] | None
) -> tuple[Axis, Mapping[Value, Any] | None]:
    if isinstance(choices, Axis):
        return choices, None
    if isinstance(choices, Value):
        return Constant(choices, when=when), None
    if not _is_list(choices):
        raise SearchSpaceError(
            f"parameter {name!r}: {choices!r:.100} is not a list of values; "
            "give a list, or an axis: Float(low, high), Int(low, high)"
        )
    labels = [_label(choice) for choice in choices]
    if len(set(labels)) < len(labels):  # Optuna takes True for 1, as Python does
        labels = [f"{label} #{i}" for i, label in enumerate(labels)]
    return Categorical(labels, when=when), dict(zip(labels, choices, strict=True))


def _is_list(choices: Any) -> bool:
    if isinstance(choices, np.ndarray):
        return choices.ndim == 1 and len(choices) > 0
    return isinstance(choices, Sequence) and len(choices) > 0


def _label(choice: Any) -> Value:
    """What stands for a choice in the study: itself, if it may."""
    plain = choice.item() if isinstance(choice, np.generic) else choice
    if isinstance(plain, Value) and not (isinstance(plain, float) and not math.isfinite(plain)):
        return plain
    return str(getattr(choice, "__name__", None) or repr(choice))

"""Conditions: what `when=` of an axis says, and the rules that it keeps.

A condition names axes that stand before, each with one value or several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.search_space.axes import Axis
from tuner.search_space.values import listed, same


def wanted_values(axis: Axis, wanted: Any) -> list[Any] | None:
    """The values that a condition names, of an axis; None where it names a single one."""
    if isinstance(wanted, list | tuple) and axis.holds(wanted):
        return None  # a choice that is a list
    return listed(wanted)


def is_wanted(axis: Axis, value: Any, wanted: Any) -> bool:
    values = wanted_values(axis, wanted)
    values = [wanted] if values is None else values
    if any(same(value, one) for one in values):
        return True
    # A value from elsewhere may be written in another way: 2 on an axis of floats.
    return axis.holds(value) and any(same(axis.find(value), one) for one in values)


def when_problem(axis: Axis, before: Mapping[str, Axis]) -> str | None:
    if axis.when is None:
        return None
    if not isinstance(axis.when, Mapping):
        return f"when {axis.when!r} is not a mapping; give {{axis: value}} or {{axis: [values]}}"
    for parent, wanted in axis.when.items():
        if parent not in before:
            return f"when names {parent!r}, which is not an axis before this one; move it up"
        values = wanted_values(before[parent], wanted)
        if values is not None and not values:
            return f"when gives no value for {parent!r}; give at least one"
        for value in [wanted] if values is None else values:
            if not before[parent].holds(value):
                return f"when wants {parent!r} = {value!r}, a value that it never has"
    return None


def with_exact_when(axis: Axis, before: Mapping[str, Axis]) -> Axis:
    """The axis with the values of its conditions as their axes have them: 0.3 of steps of 0.1."""
    if not axis.when:
        return axis
    exact: dict[str, Any] = {}
    for parent, wanted in axis.when.items():
        values, find = wanted_values(before[parent], wanted), before[parent].find
        exact[parent] = find(wanted) if values is None else [find(value) for value in values]
    return replace(axis, when=exact)

"""Which axes a point has, in a space where some exist beside certain values of others alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.curve_model.columns import Array, Columns, Number

Absent = Callable[[Array], NDArray[np.bool_]]
"""Of points [n, a] that have all axes: which they may not have [n, a]."""
Walk = Callable[[Callable[[str], Any]], Mapping[str, Any]]
"""Builds a point by the space's own rule: it calls `pick(name)` for each axis that exists."""


def by_rule(columns: Columns, walk: Walk) -> Absent:
    """The axes that a declared space's rule leaves out."""
    names = list(columns.axes)

    def absent(units: Array) -> NDArray[np.bool_]:
        points = (walk(columns.params(row).__getitem__) for row in units)
        return np.array([[name not in point for name in names] for point in points], bool)

    return absent


def as_told(columns: Columns, told: Array) -> Absent | None:
    """The axes that the most alike of some told points [m, a] lacks; None where none lacks any.

    For spaces that a program walks as it runs, whose rule nobody can see. Alike is who agrees in
    most of the categories and whole numbers; of several, the newest (the last one).
    """
    if not np.isnan(told).any():
        return None
    discrete = [not isinstance(a, Number) or a.stepped for a in columns.axes.values()]
    newest_first = told[::-1]

    def absent(units: Array) -> NDArray[np.bool_]:
        # [n, m]: how many discrete axes of a point and a told one agree
        agree = sum(
            np.abs(units[:, axis, None] - newest_first[:, axis]) < 1e-9
            for axis in np.flatnonzero(discrete)
        )
        alike = np.asarray(agree).argmax(1) if any(discrete) else np.zeros(len(units), int)
        return np.asarray(np.isnan(newest_first[alike]), bool)

    return absent


def without(units: Array, absent: Absent | None) -> Array:
    """Points [n, a] without the axes that they may not have."""
    return units if absent is None else np.where(absent(units), math.nan, units)

"""Axes: what one parameter may be. Each has a rule, a draw and the values of its grid.

All axes answer the same questions, so that nobody else asks which kind they are:

    problem()      the rule that the axis breaks, or None
    note()         what is to be said of it in a line, or None
    holds(value)   whether the value lies on it
    find(value)    the value of the axis that is meant, as exactly as the axis has it
    encode(value)  what stands for it in Optuna, seeds and tables; `decode` is the way back
    values()       the values of its grid, None without
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from tuner.search_space.choices import Categorical, Constant
from tuner.search_space.numeric import Float, Int
from tuner.search_space.values import NotOnAxis, When

__all__ = ["Axis", "Categorical", "Constant", "Float", "Int", "NotOnAxis", "When", "nearest"]

Axis = Float | Int | Categorical | Constant


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that a mistyped one may have meant."""
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)

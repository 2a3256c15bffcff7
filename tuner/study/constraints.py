"""What a study's constraints say of a report: how far it is from keeping them, and which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tuner.experiment.goals import VIOLATION, Constraints

UNKNOWN = 1e9
"""The violation of what the constraints raised at or gave no number for; finite, for all tables."""


def violation_of(constraints: Constraints, metrics: Mapping[str, float]) -> tuple[float, str]:
    """By how much, in all, numbers lie above 0, and which one, in a line; 0 and "" for none.

    A function that raises, or gives what is no list of numbers, is a violation that is named.
    """
    known = {name: value for name, value in metrics.items() if name != VIOLATION}
    try:
        # runs code: the user's constraints
        given: Any = constraints(known)
        numbers = [float(number) for number in given]
    except Exception as error:  # noqa: BLE001  # whatever the user's function raises
        return UNKNOWN, f"infeasible: constraints raised {type(error).__name__}: {error}"
    above = [at for at, number in enumerate(numbers) if not number <= 0]
    if not above:
        return 0.0, ""
    first = above[0]
    if any(math.isnan(number) for number in numbers):
        lost = next(at for at, number in enumerate(numbers) if math.isnan(number))
        return UNKNOWN, f"infeasible: constraint {lost} was nan"
    total = min(math.fsum(numbers[at] for at in above), UNKNOWN / 2)
    return total, f"infeasible: constraint {first} was {numbers[first]:g}, above 0"

"""Ranges: the steps and ends of numeric axes, and the rules that these keep."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from tuner.search_space.values import EXACT_WHOLE, is_number


class Range(Protocol):
    """What an axis of numbers tells of itself."""

    whole: ClassVar[bool]

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def log(self) -> bool: ...
    @property
    def step(self) -> float | None: ...
    @property
    def grid(self) -> Sequence[float] | None: ...
    @property
    def default(self) -> float | None: ...
    def holds(self, value: Any) -> bool: ...
    def values(self) -> list[Any] | None: ...


def has_ends(axis: Range) -> bool:
    """Whether a range's ends and step are numbers, so that its values can be told."""
    step = axis.step is None or (is_number(axis.step) and axis.step > 0)
    return is_number(axis.low) and is_number(axis.high) and step


def on_step(axis: Range, value: float) -> bool:
    """Whether a whole number of steps leads from the low end to a value."""
    if axis.step is None:
        return True
    steps = (value - axis.low) / axis.step
    return abs(steps - round(steps)) < 1e-8  # Optuna's tolerance


def top_of(axis: Range) -> float:
    """The highest value: below `high` where the steps do not meet it."""
    if axis.step is None or (axis.whole and axis.step == 1):
        return axis.high
    low, high, step = (Decimal(str(value)) for value in (axis.low, axis.high, axis.step))
    top = low + (high - low) // step * step
    return float(axis.high) if top == high else float(top)


def step_note(axis: Range) -> str | None:
    """Where the steps end, if they do not meet the high end."""
    top = top_of(axis)
    if top == axis.high:
        return None
    last = int(top) if axis.whole else top
    return (
        f"steps of {axis.step!r} from {axis.low!r} do not meet {axis.high!r}; "
        f"the highest value is {last!r}"
    )


def range_problem(axis: Range) -> str | None:
    """The rule that a range breaks, None if it keeps all."""
    noun = "whole number" if axis.whole else "finite number"

    def fits(value: Any) -> bool:
        return is_number(value) and (not axis.whole or isinstance(value, int))

    for end in ("low", "high"):
        value = getattr(axis, end)
        if axis.whole and isinstance(value, int) and abs(value) > EXACT_WHOLE:
            return (
                f"{end} {value!r} is beyond 2**53, up to which whole numbers are kept exactly; "
                "search the exponent, or take Float"
            )
        if not fits(value):
            return f"{end} {value!r} is not a {noun}"
    if axis.low > axis.high:
        return f"low {axis.low!r} is above high {axis.high!r}; exchange them"
    if axis.log and axis.low <= 0:
        return f"low {axis.low!r} with log=True must be above 0"
    if axis.step is not None and (not fits(axis.step) or axis.step <= 0):
        return f"step {axis.step!r} must be a {noun} above 0"
    if axis.log and axis.step not in (None, 1):
        return f"step {axis.step!r} cannot go with log=True; drop one of them"
    if axis.step is not None and axis.step > axis.high - axis.low > 0:
        return f"step {axis.step!r} is wider than the axis from {axis.low!r} to {axis.high!r}"
    return _grid_problem(axis, noun)


def _grid_problem(axis: Range, noun: str) -> str | None:
    step = "" if axis.step in (None, 1) else f" in steps of {axis.step!r}"
    rule = f"is not a {noun} from {axis.low!r} to {axis.high!r}{step}"
    if axis.default is not None and not axis.holds(axis.default):
        return f"default {axis.default!r} {rule}"
    if axis.grid is None:
        return None
    if not isinstance(axis.grid, list) or not axis.grid:
        return f"grid {axis.grid!r} must be a list of at least one value"
    for value in axis.grid:
        if not axis.holds(value):
            return f"grid value {value!r} {rule}"
    if len(set(axis.values() or ())) < len(axis.grid):
        return f"grid {list(axis.grid)!r} holds one value twice; remove it"
    return None

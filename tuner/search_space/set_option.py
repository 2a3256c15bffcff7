"""`--set name=...`: narrow or fix an axis without editing a file.

learning_rate=0.01..0.1     a narrower range
batch_size=32,64,128        these values only
momentum=0.9                one value; a number may lie outside the axis; it keeps its column
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int, NotOnAxis
from tuner.search_space.conditions import wanted_values
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import Value, is_number


def set_axes(space: SearchSpace, texts: Iterable[str]) -> SearchSpace:
    """The space with axes narrowed or fixed. Raises SearchSpaceError naming axis and value."""
    axes: dict[str, Axis] = dict(space)
    given: set[str] = set()
    for text in texts:
        name, equals, values = text.partition("=")
        name = name.strip()
        if not equals or not values.strip():
            raise SearchSpaceError(
                f"{text!r} is not name=value, name=a,b or name=low..high", field="space"
            )
        if name not in axes:
            raise SearchSpaceError(
                f"{name!r} names no axis; the axes are: {', '.join(axes) or 'none'}", field="space"
            )
        if name in given:
            raise SearchSpaceError(
                f"{name!r} is given twice, the second time as {text!r}", field="space"
            )
        given.add(name)
        axes[name] = _changed(name, axes[name], values.strip())
    return _without_impossible(axes)


def _changed(name: str, axis: Axis, text: str) -> Axis:
    if ".." in text:
        return _narrowed(name, axis, text)
    values = [_value(name, axis, part.strip()) for part in _parts(text)]
    if len(values) == 1:
        return Constant(values[0], when=axis.when)
    chosen = Categorical(values, when=axis.when)
    return replace(chosen, default=axis.default) if chosen.holds(axis.default) else chosen


def _narrowed(name: str, axis: Axis, text: str) -> Axis:
    low_text, _, high_text = text.partition("..")
    if not isinstance(axis, Float | Int):
        raise SearchSpaceError(
            f"{name}={text}: axis {name!r} has no range; list its values", field="space"
        )
    low: Any = _value(name, axis, low_text.strip())
    high: Any = _value(name, axis, high_text.strip())
    if not (low >= axis.low and high <= axis.high):
        raise SearchSpaceError(
            f"{name}={text}: the range leaves the axis, which is {axis.low!r} to {axis.high!r}",
            field="space",
        )
    if low <= high:
        low, high = _on_steps(axis, low, high)
        if low > high:
            raise SearchSpaceError(
                f"{name}={text}: between them the axis has no value, in steps of {axis.step!r} "
                f"from {axis.low!r}",
                field="space",
            )
    grid: Any = [value for value in axis.grid or () if low <= value <= high]
    default: Any = axis.default
    if default is not None and not low <= default <= high:
        default = None
    return replace(axis, low=low, high=high, grid=grid or None, default=default)


def _on_steps(axis: Float | Int, low: Any, high: Any) -> tuple[Any, Any]:
    """The lowest and highest of the axis' own values in a range; with a step they stay apart."""
    if axis.step is None:
        return low, high
    kind = int if isinstance(axis, Int) else float
    start, step = Decimal(str(axis.low)), Decimal(str(axis.step))
    first = math.ceil((Decimal(str(low)) - start) / step)
    last = math.floor((Decimal(str(high)) - start) / step)
    return kind(start + first * step), kind(start + last * step)


def _parts(text: str) -> list[str]:
    """The parts between commas, but for those inside brackets: [64, 64] is one choice."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _value(name: str, axis: Axis, text: str) -> Any:
    """The text as a value of the axis' type."""
    if isinstance(axis, Categorical | Constant):
        known = axis if isinstance(axis, Categorical) else Categorical([axis.value])
        literal = _literal(text)
        for given in (text, literal):
            try:
                return known.find(given)
            except NotOnAxis:
                continue
        if isinstance(axis, Categorical) and not all(map(is_number, (literal, *axis.choices))):
            choices = ", ".join(repr(choice) for choice in axis.choices)
            raise SearchSpaceError(
                f"{name}={text}: {text!r} is not one of its choices: {choices}", field="space"
            )
        return literal
    noun = "number" if isinstance(axis, Float) else "whole number"
    try:
        if isinstance(axis, Float):
            return float(text)
        return int(float(text)) if float(text).is_integer() and "e" in text else int(text)
    except ValueError:
        raise SearchSpaceError(f"{name}={text}: {text!r} is not a {noun}", field="space") from None


def _literal(text: str) -> Value:
    """A number, true, false or null as JSON has them; any other text as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, Value) else text


def _without_impossible(axes: dict[str, Axis]) -> SearchSpace:
    """The space without axes whose condition can hold no more."""
    kept: dict[str, Axis] = {}
    for name, axis in axes.items():
        when: dict[str, Any] = {}
        for parent, wanted in (axis.when or {}).items():
            values = wanted_values(axes[parent], wanted)
            values = [wanted] if values is None else values
            when[parent] = [v for v in values if parent in kept and kept[parent].holds(v)]
        if all(when.values()):
            kept[name] = replace(axis, when=when) if when else axis
    return SearchSpace(kept)

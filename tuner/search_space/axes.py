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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuner.search_space.values import (
    EXACT_WHOLE,
    UNSET,
    Value,
    alike,
    is_number,
    is_plain,
    labels_of,
    listed,
    python_value,
    same,
    text_of,
)

if TYPE_CHECKING:
    import optuna

When = Mapping[str, Any]


class NotOnAxis(LookupError):
    """A value that an axis does not hold."""


@dataclass(frozen=True)
class Float:
    """Real numbers from `low` to `high`, both included; `log=True` searches the exponent.

    `grid` is what grids try, `default` what the first trial of a search tries.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    grid: Sequence[float] | None = None
    when: When | None = None
    default: float | None = None

    def __post_init__(self) -> None:
        _make_python(self)
        if isinstance(self.grid, list) and _has_ends(self):
            grid = [self.exact(value) if is_number(value) else value for value in self.grid]
            # A whole number stays as it was written: it is what study.json shows.
            kept = [old if old == new else new for old, new in zip(self.grid, grid, strict=True)]
            object.__setattr__(self, "grid", kept)

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> float:
        top = _top(self)
        return self.exact(trial.suggest_float(name, self.low, top, step=self.step, log=self.log))

    def distribution(self) -> optuna.distributions.FloatDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, _top(self), step=self.step, log=self.log)

    def problem(self) -> str | None:
        return _range_problem(self, float)

    def note(self) -> str | None:
        return _step_note(self)

    def holds(self, value: Any) -> bool:
        value = python_value(value)
        if not is_number(value):
            return False
        return bool(self.low <= self.exact(value) <= self.high) and _on_step(self, value)

    def find(self, value: Any) -> float:
        if not self.holds(value):
            raise NotOnAxis(value)
        return self.exact(python_value(value))

    def exact(self, value: float) -> float:
        """The value without the rounding of logspace and of added steps, such as 0.30000000000004.

        A step's multiples are computed in decimals; what is within a billionth of an end is it.
        """
        if self.step is not None and _on_step(self, value):
            steps = round((value - self.low) / self.step)
            return float(Decimal(str(self.low)) + steps * Decimal(str(self.step)))
        for end in (self.low, self.high):
            if abs(value - end) <= 1e-9 * min(abs(end), self.high - self.low):
                return float(end)
        return float(value)

    def encode(self, value: Any) -> Value:
        return float(value)

    def decode(self, label: Any) -> float:
        return self.exact(label)

    def values(self) -> list[Any] | None:
        return None if self.grid is None else [self.exact(value) for value in self.grid]


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, both included, `step` apart.

    `grid` is what grids try, `default` what the first trial of a search tries.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1
    grid: Sequence[int] | None = None
    when: When | None = None
    default: int | None = None

    def __post_init__(self) -> None:
        _make_python(self)

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> int:
        top = int(_top(self))
        return trial.suggest_int(name, self.low, top, step=self.step, log=self.log)

    def distribution(self) -> optuna.distributions.IntDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, int(_top(self)), step=self.step, log=self.log)

    def problem(self) -> str | None:
        return _range_problem(self, int)

    def note(self) -> str | None:
        return _step_note(self)

    def holds(self, value: Any) -> bool:
        value = python_value(value)
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and _on_step(self, value)

    def find(self, value: Any) -> int:
        value = python_value(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not self.holds(value):
            raise NotOnAxis(value)
        return int(value)

    def encode(self, value: Any) -> Value:
        return int(value)

    def decode(self, label: Any) -> int:
        return int(label)

    def values(self) -> list[Any] | None:
        return None if self.grid is None else list(self.grid)


@dataclass(frozen=True)
class Categorical:
    """One of `choices`, in no order: any values, told apart by type (1, True and 1.0 are three).

    `default` is what the first trial of a search tries.
    """

    choices: Sequence[Any]
    when: When | None = None
    default: Any = field(default=UNSET)

    def __post_init__(self) -> None:
        choices = listed(self.choices)
        object.__setattr__(self, "choices", self.choices if choices is None else choices)
        object.__setattr__(self, "default", python_value(self.default))

    @cached_property
    def labels(self) -> tuple[Value, ...]:
        """What stands for each choice in Optuna, seeds and tables: itself where it is plain."""
        return labels_of(self.choices)

    @property
    def grid(self) -> Sequence[Any]:
        return self.choices

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Any:
        return self.decode(trial.suggest_categorical(name, list(self.labels)))

    def distribution(self) -> optuna.distributions.CategoricalDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(self.labels))

    def problem(self) -> str | None:
        if not isinstance(self.choices, list):
            return f"choices {self.choices!r} is not a list; give a list of choices"
        if not self.choices:
            return "choices [] is empty; give at least one choice"
        for i, choice in enumerate(self.choices):
            if isinstance(choice, Axis):
                return f"choice {choice!r} is an axis; give it a name of its own, with when="
            if any(same(choice, other) for other in self.choices[:i]):
                return f"choices {self.choices!r} hold one value twice; remove it"
        if self.default is not UNSET and not self.holds(self.default):
            return f"default {self.default!r} is not one of the choices {self.choices!r}"
        return None

    def note(self) -> str | None:
        return None

    def holds(self, value: Any) -> bool:
        return self._index(value) is not None

    def find(self, value: Any) -> Any:
        index = self._index(value)
        if index is None:
            index = self._index_of_text(value)
        if index is None:
            raise NotOnAxis(value)
        return self.choices[index]

    def encode(self, value: Any) -> Value:
        index = self._index(value)
        if index is None:
            raise NotOnAxis(value)
        return self.labels[index]

    def decode(self, label: Any) -> Any:
        label = python_value(label)
        for known in (self.labels, [text_of(known) for known in self.labels]):
            for index, candidate in enumerate(known):
                if alike(candidate, label):
                    return self.choices[index]
        raise NotOnAxis(label)

    def values(self) -> list[Any] | None:
        return list(self.choices)

    def _index(self, value: Any) -> int | None:
        value = python_value(value)
        for fits in (same, alike):
            found = [i for i, choice in enumerate(self.choices) if fits(choice, value)]
            if len(found) == 1:
                return found[0]
        return None

    def _index_of_text(self, value: Any) -> int | None:
        """The choice that a text names, in a CSV or on the command line."""
        if not isinstance(value, str):
            return None
        spellings: tuple[Sequence[Any], ...] = (
            self.labels,
            [text_of(choice) for choice in self.choices],
            [text_of(choice).lower() for choice in self.choices if is_plain(choice)],
        )
        for texts in spellings:
            found = [i for i, text in enumerate(texts) if text == value]
            if len(found) == 1 and len(texts) == len(self.choices):
                return found[0]
        numbers = [i for i, choice in enumerate(self.choices) if _means(choice, value)]
        return numbers[0] if len(numbers) == 1 else None


@dataclass(frozen=True)
class Constant:
    """The same value in every trial; a plain value in a space's declaration means this."""

    value: Any
    when: When | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", python_value(self.value))

    @property
    def default(self) -> Any:
        return UNSET

    @property
    def label(self) -> Value:
        """What stands for the value in tables: itself where it is plain."""
        return labels_of([self.value])[0]

    @property
    def grid(self) -> Sequence[Any]:
        return [self.value]

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Any:
        return self.value

    def problem(self) -> str | None:
        if isinstance(self.value, type) and issubclass(self.value, Float | Int | Categorical):
            return f"{self.value.__name__} is the class; give its arguments"
        if isinstance(self.value, float) and not is_plain(self.value):
            return f"constant {self.value!r} is not finite"
        return None

    def note(self) -> str | None:
        return None

    def holds(self, value: Any) -> bool:
        return alike(self.value, python_value(value))

    def find(self, value: Any) -> Any:
        if not self.holds(value):
            raise NotOnAxis(value)
        return self.value

    def encode(self, value: Any) -> Value:
        return self.label

    def decode(self, label: Any) -> Any:
        return self.value

    def values(self) -> list[Any] | None:
        return [self.value]


Axis = Float | Int | Categorical | Constant


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that a mistyped one may have meant."""
    return next(iter(difflib.get_close_matches(name, names, n=1)), None)


def _make_python(axis: Float | Int) -> None:
    """NumPy's numbers and arrays as Python's: they are written to JSON and sent to Optuna."""
    for name in ("low", "high", "step", "default"):
        object.__setattr__(axis, name, python_value(getattr(axis, name)))
    grid = listed(axis.grid)
    if grid is not None:
        object.__setattr__(axis, "grid", grid)


def _means(choice: Any, text: str) -> bool:
    try:
        return is_number(choice) and float(text) == choice
    except ValueError:
        return False


def _has_ends(axis: Float) -> bool:
    step = axis.step is None or (is_number(axis.step) and axis.step > 0)
    return is_number(axis.low) and is_number(axis.high) and step


def _on_step(axis: Float | Int, value: float) -> bool:
    if axis.step is None:
        return True
    steps = (value - axis.low) / axis.step
    return abs(steps - round(steps)) < 1e-8  # Optuna's tolerance


def _top(axis: Float | Int) -> float:
    """The highest value: below `high` where the steps do not meet it."""
    if (axis.step in (None, 1) and isinstance(axis, Int)) or axis.step is None:
        return axis.high
    low, high, step = (Decimal(str(value)) for value in (axis.low, axis.high, axis.step))
    top = low + (high - low) // step * step
    return float(axis.high) if top == high else float(top)


def _step_note(axis: Float | Int) -> str | None:
    top = _top(axis)
    if top == axis.high:
        return None
    last = int(top) if isinstance(axis, Int) else top
    return (
        f"steps of {axis.step!r} from {axis.low!r} do not meet {axis.high!r}; "
        f"the highest value is {last!r}"
    )


def _range_problem(axis: Float | Int, kind: type) -> str | None:
    noun = "whole number" if kind is int else "finite number"

    def fits(value: Any) -> bool:
        return is_number(value) and (kind is float or isinstance(value, int))

    for end in ("low", "high"):
        value = getattr(axis, end)
        if kind is int and isinstance(value, int) and abs(value) > EXACT_WHOLE:
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


def _grid_problem(axis: Float | Int, noun: str) -> str | None:
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

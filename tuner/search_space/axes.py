"""Axes: what one parameter may be. Each has a rule, a draw and the values of its grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna


Value = None | bool | int | float | str


When = Mapping[str, Any]


@dataclass(frozen=True)
class Float:
    """Real numbers from `low` to `high`, both included; `log=True` searches the exponent."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    grid: Sequence[float] | None = None
    when: When | None = None

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> float:
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def distribution(self) -> optuna.distributions.FloatDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, step=self.step, log=self.log)

    def problem(self) -> str | None:
        """The rule this axis breaks, or None."""
        return _range_problem(self, float)

    def holds(self, value: Any) -> bool:
        """Whether `value` lies on this axis."""
        return _is_number(value) and self.low <= value <= self.high and _on_step(self, value)


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, both included, `step` apart."""

    low: int
    high: int
    log: bool = False
    step: int = 1
    grid: Sequence[int] | None = None
    when: When | None = None

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> int:
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def distribution(self) -> optuna.distributions.IntDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, step=self.step, log=self.log)

    def problem(self) -> str | None:
        """The rule this axis breaks, or None."""
        return _range_problem(self, int)

    def holds(self, value: Any) -> bool:
        """Whether `value` lies on this axis."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and _on_step(self, value)


@dataclass(frozen=True)
class Categorical:
    """One of `choices`: None, booleans, numbers or strings, in no order."""

    choices: Sequence[Value]
    when: When | None = None

    @property
    def grid(self) -> Sequence[Value]:
        return self.choices

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Value:
        return trial.suggest_categorical(name, list(self.choices))

    def distribution(self) -> optuna.distributions.CategoricalDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(list(self.choices))

    def problem(self) -> str | None:
        """The rule this axis breaks, or None."""
        if isinstance(self.choices, str) or not isinstance(self.choices, Sequence):
            return f"choices {self.choices!r} is no list; give a list of choices"
        if not self.choices:
            return "choices [] is empty; give at least one choice"
        for choice in self.choices:
            if not isinstance(choice, Value):
                return f"choice {choice!r} is neither None, a boolean, a number nor a string"
            if isinstance(choice, float) and not math.isfinite(choice):
                return f"choice {choice!r} is not finite"
        if len({(type(choice), choice) for choice in self.choices}) < len(self.choices):
            return f"choices {list(self.choices)!r} hold one value twice; remove it"
        return None

    def holds(self, value: Any) -> bool:
        """Whether `value` is one of the choices."""
        return value in self.choices


@dataclass(frozen=True)
class Constant:
    """The same value in every trial; a plain value in a space's declaration means this."""

    value: Value
    when: When | None = None

    @property
    def grid(self) -> Sequence[Value]:
        return [self.value]

    def suggest(self, name: str, trial: optuna.trial.BaseTrial) -> Value:
        return self.value

    def problem(self) -> str | None:
        """The rule this axis breaks, or None."""
        if not isinstance(self.value, Value):
            return f"constant {self.value!r} is neither None, a boolean, a number nor a string"
        if isinstance(self.value, float) and not math.isfinite(self.value):
            return f"constant {self.value!r} is not finite"
        return None

    def holds(self, value: Any) -> bool:
        """Whether `value` is the constant."""
        return bool(value == self.value)


Axis = Float | Int | Categorical | Constant


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _on_step(axis: Float | Int, value: float) -> bool:
    if axis.step is None:
        return True
    steps = (value - axis.low) / axis.step
    return abs(steps - round(steps)) < 1e-8  # Optuna's tolerance


def _range_problem(axis: Float | Int, kind: type) -> str | None:
    noun = "whole number" if kind is int else "finite number"

    def fits(value: Any) -> bool:
        return _is_number(value) and (kind is float or isinstance(value, int))

    for end in ("low", "high"):
        if not fits(getattr(axis, end)):
            return f"{end} {getattr(axis, end)!r} is no {noun}"
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
    if axis.grid is None:
        return None
    if isinstance(axis.grid, str) or not isinstance(axis.grid, Sequence) or not axis.grid:
        return f"grid {axis.grid!r} must be a list of at least one value"
    for value in axis.grid:
        if not axis.holds(value):
            step = "" if axis.step in (None, 1) else f" in steps of {axis.step!r}"
            return f"grid value {value!r} is no {noun} from {axis.low!r} to {axis.high!r}{step}"
    if len(set(axis.grid)) < len(axis.grid):
        return f"grid {list(axis.grid)!r} holds one value twice; remove it"
    return None

"""Search spaces: which parameters a trial has, and what values each may take.

    space = SearchSpace({
        "optimizer": Categorical(["sgd", "adam"]),
        "learning_rate": Float(1e-4, 1.0, log=True, grid=[1e-3, 1e-2, 1e-1]),
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
        "epochs": Int(1, 20),
        "hidden": 64,                                  # a constant
    })

One declaration serves the samplers (`suggest`), grids (`tuner.grid`) and the columns of the
results (`param_<name>`). An axis with `when=` exists only where the axes named there, which stand
before it, have one of the values given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tuner.errors import SearchSpaceError

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
_KINDS: dict[str, type[Axis]] = {
    "float": Float,
    "int": Int,
    "categorical": Categorical,
    "constant": Constant,
}


class SearchSpace(Mapping[str, Axis]):
    """Axes by name, in the order declared. Raises SearchSpaceError naming axis, value and rule."""

    def __init__(self, axes: Mapping[str, Any]) -> None:
        if not isinstance(axes, Mapping):
            raise SearchSpaceError(f"space {axes!r} is no mapping; give {{name: axis}}")
        checked: dict[str, Axis] = {}
        for name, declared in axes.items():
            axis = declared if isinstance(declared, Axis) else Constant(declared)
            _check_axis(name, axis, checked)
            checked[name] = axis
        self._axes: Mapping[str, Axis] = MappingProxyType(checked)

    def __getitem__(self, name: str) -> Axis:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __repr__(self) -> str:
        return f"SearchSpace({dict(self._axes)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return SearchSpace, (dict(self._axes),)

    def exists(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether axis `name` exists beside `params`, the values of the axes before it."""
        when = self._axes[name].when or {}
        return all(
            parent in params and params[parent] in _values(wanted)
            for parent, wanted in when.items()
        )

    def draw(self, pick: Callable[[str, Axis], Any]) -> dict[str, Any]:
        """A point: `pick(name, axis)` for every axis that exists, in order."""
        params: dict[str, Any] = {}
        for name, axis in self._axes.items():
            if self.exists(name, params):
                params[name] = pick(name, axis)
        return params

    def suggest(self, trial: optuna.trial.BaseTrial) -> dict[str, Any]:
        """A point proposed by the sampler behind an Optuna trial."""
        return self.draw(lambda name, axis: axis.suggest(name, trial))

    def distributions(
        self, params: Mapping[str, Any]
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        """Optuna's distributions of the axes at a point, constants left out."""
        return {
            name: axis.distribution()
            for name, axis in self._axes.items()
            if name in params and not isinstance(axis, Constant)
        }

    def constants(self) -> dict[str, Any]:
        """The values of the constant axes."""
        return {name: axis.value for name, axis in self.items() if isinstance(axis, Constant)}

    def replace(self, axes: Mapping[str, Any]) -> SearchSpace:
        """This space with some axes replaced in place (new names go to the end)."""
        return SearchSpace({**self._axes, **axes})

    def as_json(self) -> dict[str, dict[str, Any]]:
        """A JSON form, which `from_json` reads; what study.json holds."""
        return {
            name: {
                "kind": type(axis).__name__.lower(),
                **{key: _plain(value) for key, value in _as_dict(axis).items()},
            }
            for name, axis in self._axes.items()
        }

    @classmethod
    def from_json(cls, form: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
        """The space that `as_json` wrote. Raises SearchSpaceError for anything else."""
        axes = {}
        for name, axis_form in form.items():
            rest = dict(axis_form)
            kind = rest.pop("kind", None)
            known = _KINDS.get(kind) if isinstance(kind, str) else None
            if known is None or not rest.keys() <= {field.name for field in fields(known)}:
                raise SearchSpaceError(f"axis {name!r}: {axis_form!r} is no axis that tuner wrote")
            axes[name] = known(**rest)
        return cls(axes)


def _as_dict(axis: Axis) -> dict[str, Any]:
    return {
        key: value for key, value in asdict(axis).items() if key == "value" or value is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value


def _values(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, (list, tuple)) else (wanted,)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _on_step(axis: Float | Int, value: float) -> bool:
    if axis.step is None:
        return True
    steps = (value - axis.low) / axis.step
    return abs(steps - round(steps)) < 1e-8  # Optuna's tolerance


def _check_axis(name: Any, axis: Axis, before: Mapping[str, Axis]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SearchSpaceError(
            f"axis {name!r}: the name is no identifier; use letters, digits and underscores"
        )
    problem = axis.problem() or _when_problem(axis, before)
    if problem is not None:
        raise SearchSpaceError(f"axis {name!r}: {problem}")


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


def _when_problem(axis: Axis, before: Mapping[str, Axis]) -> str | None:
    if axis.when is None:
        return None
    if not isinstance(axis.when, Mapping):
        return f"when {axis.when!r} is no mapping; give {{axis: value}} or {{axis: [values]}}"
    for parent, wanted in axis.when.items():
        if parent not in before:
            return f"when names {parent!r}, which is no axis before this one; move it up"
        if not _values(wanted):
            return f"when gives no value for {parent!r}; give at least one"
        for value in _values(wanted):
            if not before[parent].holds(value):
                return f"when wants {parent!r} = {value!r}, a value that it never has"
    return None

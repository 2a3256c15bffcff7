"""Search spaces: which parameters a trial has, and what values each may take.

    space = SearchSpace({
        "optimizer": Categorical(["sgd", "adam"]),
        "learning_rate": Float(1e-4, 1.0, log=True, grid=[1e-3, 1e-2, 1e-1]),
        "momentum": Float(0.0, 0.99, when={"optimizer": "sgd"}),
        "epochs": Int(1, 20),
        "hidden": 64,                                  # a constant
    })

One declaration serves the samplers (`suggest`), grids (`tuner.search_space.grid`) and the columns
of the results (`param_<name>`). An axis with `when=` exists only where the axes named there,
which stand before it, have one of the values given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int

if TYPE_CHECKING:
    import optuna


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


def _check_axis(name: Any, axis: Axis, before: Mapping[str, Axis]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SearchSpaceError(
            f"axis {name!r}: the name is no identifier; use letters, digits and underscores"
        )
    problem = axis.problem() or _when_problem(axis, before)
    if problem is not None:
        raise SearchSpaceError(f"axis {name!r}: {problem}")


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

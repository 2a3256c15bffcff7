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

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int, NotOnAxis
from tuner.search_space.values import (
    UNSET,
    Named,
    Value,
    from_json_form,
    is_plain,
    json_form,
    listed,
    same,
)

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
            raise SearchSpaceError(f"space {axes!r} is not a mapping; give {{name: axis}}")
        checked: dict[str, Axis] = {}
        for name, declared in axes.items():
            axis = _axis(name, declared)
            _check_axis(name, axis, checked)
            checked[name] = _with_exact_when(axis, checked)
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
        return all(self.meets(name, parent, params) for parent in self._axes[name].when or {})

    def meets(self, name: str, parent: str, params: Mapping[str, Any]) -> bool:
        """Whether `params` meet the condition that axis `name` puts to axis `parent`."""
        when = self._axes[name].when or {}
        return parent in params and _is_wanted(self._axes[parent], params[parent], when[parent])

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

    def searched(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """Optuna's distributions of all axes that have more than one value."""
        axes = {
            n: axis.distribution() for n, axis in self.items() if not isinstance(axis, Constant)
        }
        return {name: axis for name, axis in axes.items() if not axis.single()}

    def constants(self) -> dict[str, Any]:
        """The values of the constant axes."""
        return {name: axis.value for name, axis in self.items() if isinstance(axis, Constant)}

    def defaults(self) -> dict[str, Any]:
        """The values of the axes that declare a default, those that exist beside one another."""
        point: dict[str, Any] = {}
        for name, axis in self._axes.items():
            declared = axis.default is not UNSET and axis.default is not None
            none_chosen = axis.default is None and isinstance(axis, Categorical)
            fixed = {**self.constants(), **point}
            if (declared or none_chosen) and self.may_exist(name, fixed):
                point[name] = axis.find(axis.default)
        return point

    def may_exist(self, name: str, point: Mapping[str, Any]) -> bool:
        """Whether nothing in this part of a point speaks against an axis."""
        when = self._axes[name].when or {}
        return all(self.meets(name, parent, point) for parent in when if parent in point)

    def notes(self) -> list[str]:
        """What is to be said of the axes, a line each."""
        said = ((name, axis.note()) for name, axis in self._axes.items())
        return [f"axis {name!r}: {note}" for name, note in said if note is not None]

    def encode(self, params: Mapping[str, Any]) -> dict[str, Value]:
        """A point, or a part of one, as Optuna, JSON and tables keep it: choices by their labels.

        Raises SearchSpaceError for a value that its axis does not hold.
        """
        try:
            return {name: self._axes[name].encode(value) for name, value in params.items()}
        except NotOnAxis as error:
            raise SearchSpaceError(f"{error.args[0]!r} is not on its axis") from None

    def told_apart(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A point in plain values: no two points of the space have the same one."""
        return {
            name: value if is_plain(value) else {"label": self._axes[name].encode(value)}
            for name, value in params.items()
        }

    def decode(self, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The point that `encode` wrote: what a training function sees.

        Raises SearchSpaceError for a value that its axis does not hold.
        """

        def value(name: str, axis: Axis) -> Any:
            if isinstance(axis, Constant):
                return axis.value
            try:
                return axis.decode(labels[name])
            except NotOnAxis as error:
                raise SearchSpaceError(f"axis {name!r} does not hold {error.args[0]!r}") from None

        return self.draw(value)

    def replace(self, axes: Mapping[str, Any]) -> SearchSpace:
        """This space with some axes replaced in place (new names go to the end)."""
        return SearchSpace({**self._axes, **axes})

    def as_json(self) -> dict[str, dict[str, Any]]:
        """A JSON form, which `from_json` reads; what study.json holds."""
        return {name: self._axis_json(axis) for name, axis in self._axes.items()}

    def _axis_json(self, axis: Axis) -> dict[str, Any]:
        form: dict[str, Any] = {"kind": type(axis).__name__.lower()}
        for declared in fields(axis):
            value = getattr(axis, declared.name)
            match declared.name:
                case "choices" if isinstance(axis, Categorical):
                    pairs = zip(value, axis.labels, strict=True)
                    form["choices"] = [json_form(choice, label) for choice, label in pairs]
                case "value" if isinstance(axis, Constant):
                    form["value"] = json_form(value)
                case "default" if isinstance(axis, Categorical):
                    if value is not UNSET:
                        form["default"] = {"label": axis.encode(value)}
                case "when" if value is not None:
                    form["when"] = {
                        parent: _labels(self._axes[parent], wanted)
                        for parent, wanted in value.items()
                    }
                case _ if value is not None:
                    form[declared.name] = value
        return form

    @classmethod
    def from_json(
        cls, form: Mapping[str, Mapping[str, Any]], like: SearchSpace | None = None
    ) -> SearchSpace:
        """The space that `as_json` wrote. Raises SearchSpaceError for anything else.

        Functions and other choices that are not data come back from `like`, the space that the
        experiment declares; without it they are known by their names (`Named`).
        """
        axes: dict[str, Axis] = {}
        for name, axis_form in form.items():
            rest = dict(axis_form)
            kind = rest.pop("kind", None)
            known = _KINDS.get(kind) if isinstance(kind, str) else None
            if known is None or not rest.keys() <= {field.name for field in fields(known)}:
                raise SearchSpaceError(
                    f"axis {name!r}: {axis_form!r} is not an axis that tuner wrote"
                )
            for key in {"choices", "value"} & rest.keys():
                rest[key] = from_json_form(rest[key])
            try:
                if rest.get("when"):
                    rest["when"] = {p: _from_labels(axes[p], w) for p, w in rest["when"].items()}
                axis = _like(known(**{k: v for k, v in rest.items() if k != "default"}), name, like)
                if "default" in rest:
                    default = rest["default"]
                    if isinstance(axis, Categorical):
                        default = axis.decode(default["label"])
                    axis = replace(axis, default=default)
            except (LookupError, TypeError) as error:
                raise SearchSpaceError(
                    f"axis {name!r}: {axis_form!r} is not an axis that tuner wrote ({error})"
                ) from None
            axes[name] = axis
        return cls(axes)


def _axis(name: Any, declared: Any) -> Axis:
    """What is declared under a name: an axis, the values of one, or a constant."""
    if isinstance(declared, Axis):
        return declared
    if isinstance(declared, range) or (isinstance(declared, np.ndarray) and declared.ndim == 1):
        return Categorical(declared)  # type: ignore[arg-type]
    if isinstance(declared, list | tuple | set | frozenset):
        values = [*declared] if isinstance(declared, list | tuple) else sorted(declared, key=repr)
        raise SearchSpaceError(
            f"axis {name!r}: {declared!r:.200} may be its values or one value; write "
            f"Categorical({values!r:.200}) for one of these, Constant(...) for all of them "
            "in every trial"
        )
    return Constant(declared)


def _like(axis: Axis, name: str, like: SearchSpace | None) -> Axis:
    """An axis that was read, with the values behind its labels from the axis declared."""
    declared = None if like is None else like.get(name)
    if isinstance(declared, Categorical):
        known = dict(zip(declared.labels, declared.choices, strict=True))
    elif isinstance(declared, Constant):
        known = {declared.label: declared.value}
    else:
        return axis
    if isinstance(axis, Categorical):
        pairs = zip(axis.labels, axis.choices, strict=True)
        choices = [c if _is_data(c) else known.get(label, c) for label, c in pairs]
        return replace(axis, choices=choices)
    if isinstance(axis, Constant) and not _is_data(axis.value):
        return replace(axis, value=known.get(axis.label, axis.value))
    return axis


def _is_data(value: Any) -> bool:
    """Whether JSON has kept all of a value."""
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return not isinstance(value, Named)


def wanted_values(axis: Axis, wanted: Any) -> list[Any] | None:
    """The values that a condition names, of an axis; None where it names a single one."""
    if isinstance(wanted, list | tuple) and axis.holds(wanted):
        return None  # a choice that is a list
    return listed(wanted)


def _is_wanted(axis: Axis, value: Any, wanted: Any) -> bool:
    values = wanted_values(axis, wanted)
    values = [wanted] if values is None else values
    if any(same(value, one) for one in values):
        return True
    # A value from elsewhere may be written in another way: 2 on an axis of floats.
    return axis.holds(value) and any(same(axis.find(value), one) for one in values)


def _labels(axis: Axis, wanted: Any) -> Any:
    values = wanted_values(axis, wanted)
    return axis.encode(wanted) if values is None else [axis.encode(value) for value in values]


def _from_labels(axis: Axis, labels: Any) -> Any:
    return list(map(axis.decode, labels)) if isinstance(labels, list) else axis.decode(labels)


def _check_axis(name: Any, axis: Axis, before: Mapping[str, Axis]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SearchSpaceError(
            f"axis {name!r}: the name is not an identifier; use letters, digits and underscores"
        )
    problem = axis.problem() or _when_problem(axis, before)
    if problem is not None:
        raise SearchSpaceError(f"axis {name!r}: {problem}")


def _when_problem(axis: Axis, before: Mapping[str, Axis]) -> str | None:
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


def _with_exact_when(axis: Axis, before: Mapping[str, Axis]) -> Axis:
    """The axis with the values of its conditions as their axes have them: 0.3 of steps of 0.1."""
    if not axis.when:
        return axis
    exact: dict[str, Any] = {}
    for parent, wanted in axis.when.items():
        values, find = wanted_values(before[parent], wanted), before[parent].find
        exact[parent] = find(wanted) if values is None else [find(value) for value in values]
    return replace(axis, when=exact)

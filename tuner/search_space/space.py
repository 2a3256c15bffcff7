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
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, NotOnAxis
from tuner.search_space.axis_json import axis_as_json, axis_from_json
from tuner.search_space.conditions import is_wanted, when_problem, with_exact_when
from tuner.search_space.foreign import axis_in_place_of
from tuner.search_space.values import UNSET, Value, is_plain

if TYPE_CHECKING:
    import optuna


class SearchSpace(Mapping[str, Axis]):
    """Axes by name, in the order declared. Raises SearchSpaceError naming axis, value and rule."""

    def __init__(self, axes: Mapping[str, Any]) -> None:
        if not isinstance(axes, Mapping):
            raise SearchSpaceError(f"space {axes!r} is not a mapping; give {{name: axis}}")
        checked: dict[str, Axis] = {}
        for name, declared in axes.items():
            axis = _axis(name, declared)
            _check_axis(name, axis, checked)
            checked[name] = with_exact_when(axis, checked)
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
        return parent in params and is_wanted(self._axes[parent], params[parent], when[parent])

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

    def without_defaults(self) -> SearchSpace:
        """The space with axes that declare no default."""
        bare: dict[str, Any] = {}
        for name, axis in self.items():
            if not isinstance(axis, Constant):
                unset: Any = UNSET if isinstance(axis, Categorical) else None
                bare[name] = replace(axis, default=unset)
        return self.replace(bare)

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
        return {name: axis_as_json(axis, self._axes) for name, axis in self._axes.items()}

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
            declared = None if like is None else like.get(name)
            axes[name] = axis_from_json(name, axis_form, axes, declared)
        return cls(axes)


def _axis(name: Any, declared: Any) -> Axis:
    """What is declared under a name: an axis, the values of one, or a constant."""
    if isinstance(declared, Axis):
        return declared
    if isinstance(declared, range) or (isinstance(declared, np.ndarray) and declared.ndim == 1):
        return Categorical(declared)
    if isinstance(declared, list | tuple | set | frozenset):
        values = [*declared] if isinstance(declared, list | tuple) else sorted(declared, key=repr)
        raise SearchSpaceError(
            f"axis {name!r}: {declared!r:.200} may be its values or one value; write "
            f"Categorical({values!r:.200}) for one of these, Constant(...) for all of them "
            "in every trial"
        )
    ours = axis_in_place_of(declared)
    if ours is not None:
        raise SearchSpaceError(
            f"axis {name!r}: {declared!r:.200} is another library's, of which every trial would "
            f"get the same; write {ours}"
        )
    if isinstance(declared, Mapping) and any(
        isinstance(value, Axis) for value in declared.values()
    ):
        raise SearchSpaceError(
            f"axis {name!r}: {declared!r:.200} has axes within, which would not be searched; give "
            "each a name of its own in the space"
        )
    return Constant(declared)


def _check_axis(name: Any, axis: Axis, before: Mapping[str, Axis]) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise SearchSpaceError(
            f"axis {name!r}: the name is not an identifier; use letters, digits and underscores"
        )
    problem = axis.problem() or when_problem(axis, before)
    if problem is not None:
        raise SearchSpaceError(f"axis {name!r}: {problem}")

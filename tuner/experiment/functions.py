"""A search from a plain function, whose space may stand in its arguments' annotations.

def train(trial, rate: Annotated[float, Float(1e-4, 1, log=True)] = 0.01, epochs=9): ...

tuner.run(train, metric="val_accuracy", trials=50)
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.search_space.axes import Axis, Constant

TRIAL = "trial"
"""The argument that is given the trial itself."""
_OF_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def experiment_of(
    function: Callable[..., Any], space: Mapping[str, Any] | None = None, **fields: Any
) -> Experiment:
    """The experiment that searches a function's arguments.

    `space` is a space as an Experiment has it. An argument may bring its own axis instead, as
    `Annotated[float, Float(...)]`, with a default that is tried first; one with a default and
    without an axis is a constant; `**rest` gets what no other argument has. The argument `trial`,
    or the only one where no axis has its name, is given the trial. `fields` are the Experiment's.
    Raises ExperimentError naming an argument on no axis.
    """
    if space is not None and not isinstance(space, Mapping):
        raise ExperimentError(
            f"{space!r:.200} is not a dict of axes",
            field="space",
            way_out='give {"rate": Float(1e-4, 1, log=True)}, say',
        )
    arguments = _arguments(function, space or {})
    axes = {**_annotated(arguments), **(space or {})}
    rest = any(one.kind is one.VAR_KEYWORD for one in arguments.values())
    names = [n for n, one in arguments.items() if n != TRIAL and one.kind not in _OF_MANY]
    if len(arguments) == 1 and not rest and not set(names) & set(axes):
        objective = function
    else:
        axes = {**_constants(arguments, names, axes), **axes}
        for name in names:
            if name not in axes:
                raise ExperimentError(
                    f"the argument {name!r} of {function.__name__} is on no axis",
                    field="space",
                    way_out=f"give it one, {name}: Annotated[float, Float(0, 1)] say",
                )
        objective = _called(function, None if rest else names, TRIAL in arguments)
    if not axes:
        raise ExperimentError(
            "there is nothing to search",
            field="space",
            way_out="give {name: axis}, or annotate an argument: x: Annotated[float, Float(0, 1)]",
        )
    name = getattr(function, "__name__", type(function).__name__)
    return Experiment(name if name.isidentifier() else "search", axes, objective, **fields)


class _Unknown:
    """Stands in annotations for a name that is known to a type checker alone."""

    def _itself(self, *given: Any, **named: Any) -> _Unknown:
        return self

    __call__ = __getattr__ = __getitem__ = __or__ = __ror__ = _itself


def _arguments(
    function: Callable[..., Any], space: Mapping[str, Any]
) -> Mapping[str, inspect.Parameter]:
    """A function's arguments with their annotations read, but for those that need not be."""
    unknown: dict[str, Any] = {}
    while True:
        try:
            read = inspect.signature(function, eval_str=True, locals=unknown).parameters
            break
        except NameError as error:  # as `Trial` is, imported under TYPE_CHECKING
            unknown[str(error.name)] = _Unknown()
    arguments = dict(read)
    for name, argument in inspect.signature(function).parameters.items():
        names = unknown.keys() & set(re.findall(r"\w+", str(argument.annotation)))
        if not names:
            continue
        arguments[name] = argument.replace(annotation=argument.empty)
        if name != TRIAL and name not in space and (len(arguments) > 1 or not space):
            raise ExperimentError(
                f"the annotation of {name!r} of {function.__name__} cannot be read: "
                f"{min(names)!r} is not a name of its module",
                field="space",
                way_out="annotate with names of its module, or give the space beside it",
            )
    return arguments


def _annotated(arguments: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """The axes of annotations; an argument's default is what is tried first."""
    found = {}
    for name, argument in arguments.items():
        for note in getattr(argument.annotation, "__metadata__", ()):
            if isinstance(note, get_args(Axis)):
                given = argument.default is not argument.empty and not isinstance(note, Constant)
                found[name] = replace(note, default=argument.default) if given else note
    return found


def _constants(
    arguments: Mapping[str, inspect.Parameter], names: list[str], axes: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments with a default and on no axis keep it: it is kept with the trial as well."""
    return {
        name: arguments[name].default
        for name in names
        if name not in axes and arguments[name].default is not inspect.Parameter.empty
    }


def _called(
    function: Callable[..., Any], names: list[str] | None, with_trial: bool
) -> Callable[..., Any]:
    """The function of a trial that calls a function of parameters, of all where no `names` are
    given; inactive ones keep defaults."""

    @functools.wraps(function)
    def objective(trial: Mapping[str, Any]) -> Any:
        wanted = trial if names is None else names
        arguments = {name: trial[name] for name in wanted if name in trial}
        return function(**arguments, **({TRIAL: trial} if with_trial else {}))

    return objective

"""Samplers by name: where each stands, imported when it is named.

| name | learns from |
| --- | --- |
| rung_gp | all values at all rungs, by one model |
| tpe, gp, cmaes | each trial's value at the highest rung which enough have reached |
| random, qmc | nothing |

Those that learn take DIVERGED trials for the worst there are. `sampler=` is a name, an Optuna
sampler, or `package.module:factory`; the entry points `tuner.samplers` of installed packages add
names. Optuna's own samplers, and others', are used as they are: what they keep is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from tuner.samplers.per_trial import Setting
    from tuner.search_space.space import SearchSpace

SAMPLERS = {
    "rung_gp": "tuner.samplers.rung_gp:RungGPSampler",
    "tpe": "tuner.samplers.tpe:RungTPESampler",
    "random": "tuner.samplers.random:UniformSampler",
    "cmaes": "tuner.samplers.cmaes:RungCmaEsSampler",
    "qmc": "tuner.samplers.qmc:SobolSampler",
    "gp": "tuner.samplers.gp:RungViewGPSampler",
}
NEEDS = {"gp": ("torch", "tuner[gp]")}
"""The packages that a sampler needs beyond tuner's own, and how to get them."""
GROUP = "tuner.samplers"
GRID = "grid"
"""Every point of the grid in turn, which the study sees to: nothing proposes."""


@cache
def known_samplers() -> Mapping[str, str]:
    """Names and what they stand for, those of installed packages among them.

    Raises ExperimentError for a name that two give.
    """
    known = dict(SAMPLERS)
    for entry in entry_points(group=GROUP):
        if known.setdefault(entry.name, entry.value) != entry.value:
            raise ExperimentError(
                f"sampler {entry.name!r} stands for {known[entry.name]} and for {entry.value}: "
                "a name stands for one; uninstall one of the two packages"
            )
    return known


def check_sampler(sampler: str | BaseSampler) -> None:
    """Raises ExperimentError if the sampler is unknown, or a package that it needs is missing."""
    if not isinstance(sampler, str):
        _check_object(sampler, "it")
        return
    if sampler == GRID:
        return
    _target(sampler)
    package, install = NEEDS.get(sampler, ("optuna", ""))
    if find_spec(package) is None:
        raise ExperimentError(
            f"sampler {sampler!r} needs the package {package}; pip install '{install}'"
        )


def caveat(sampler: str | BaseSampler, space: SearchSpace) -> str | None:
    """What the sampler cannot learn of some axes, in a line."""
    from tuner.samplers.per_trial import PerTrialSampler

    if sampler == GRID:
        return None
    opened = open_sampler(sampler)
    return opened.caveat(space) if isinstance(opened, PerTrialSampler) else None


def open_sampler(
    sampler: str | BaseSampler, options: Mapping[str, Any] | None = None
) -> BaseSampler:
    """The sampler of a study, made once. Raises ExperimentError for what cannot be one."""
    if not isinstance(sampler, str):
        _check_object(sampler, "it")
        return sampler
    made: BaseSampler = _target(sampler)(**(options or {}))
    _check_object(made, f"what {sampler!r} makes")
    return made


def for_trial(sampler: BaseSampler, number: int, setting: Setting, again: int = 0) -> BaseSampler:
    """The sampler that proposes trial `number`: one of ours bound to it, another watched.

    `again` counts the proposals for the same trial that were not taken.
    """
    from tuner.samplers.inside import InsideSampler
    from tuner.samplers.per_trial import PerTrialSampler

    if isinstance(sampler, PerTrialSampler):
        return sampler.for_trial(number, setting, again)
    return InsideSampler(sampler)


def _target(name: str) -> Callable[..., Any]:
    """What a name, or `package.module:factory`, stands for."""
    place = known_samplers().get(name, name)
    module, colon, attribute = place.partition(":")
    if not colon:
        raise ExperimentError(
            f"sampler {name!r} is not one of {', '.join(known_samplers())}; name one of them, "
            "package.module:factory, or give an Optuna sampler"
        )
    try:
        target: Callable[..., Any] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ExperimentError(f"sampler {name!r} cannot be imported: {error}") from error
    return target


def _check_object(sampler: Any, what: str) -> None:
    from optuna.samplers import BaseSampler

    if not isinstance(sampler, BaseSampler):
        raise ExperimentError(
            f"sampler: {what} is a {type(sampler).__name__}, and must be an Optuna BaseSampler; "
            "give an object of a class that derives from it"
        )

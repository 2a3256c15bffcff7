"""Samplers by name: where each stands, imported when it is named.

| name | learns from |
| --- | --- |
| rung_gp | all values at all rungs, by one model |
| tpe, gp, cmaes, nsga2 | each trial's value at the highest rung which enough have reached |
| random, qmc | nothing |

For several goals there are tpe, nsga2, gp, random and qmc.

Those that learn take DIVERGED trials for the worst there are. `sampler=` is a name, an Optuna
sampler, or `package.module:factory`; the entry points `tuner.samplers` of installed packages add
names. Optuna's own samplers, and others', are used as they are: what they keep is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError
from tuner.registry import Registry, said

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from tuner.samplers.per_trial import Setting
    from tuner.search_space.space import SearchSpace

SAMPLERS = Registry(
    "sampler",
    {
        "rung_gp": "tuner.samplers.rung_gp:RungGPSampler",
        "tpe": "tuner.samplers.tpe:RungTPESampler",
        "nsga2": "tuner.samplers.nsga2:RungNSGAIISampler",
        "random": "tuner.samplers.random:UniformSampler",
        "cmaes": "tuner.samplers.cmaes:RungCmaEsSampler",
        "qmc": "tuner.samplers.qmc:SobolSampler",
        "gp": "tuner.samplers.gp:RungViewGPSampler",
    },
    "tuner.samplers",
)
"""Where each sampler stands. One line here makes one of ours known everywhere."""
GRID = "grid"
"""Every point of the grid in turn, which the study sees to: nothing proposes."""


def check_sampler(
    sampler: str | BaseSampler, space: SearchSpace, goals: int = 1, *, learns: bool = False
) -> str | None:
    """What the sampler cannot learn of some axes, in a line.

    Raises ExperimentError if it cannot be one, searches for one of several `goals` alone, `learns`
    from no other study where it is to, or a package that it needs is missing.
    """
    from tuner.samplers.per_trial import PerTrialSampler

    if sampler == GRID:
        if learns:
            raise _learns_not(sampler)
        return None
    needs = getattr(SAMPLERS.find(sampler), "needs", None) if isinstance(sampler, str) else None
    if needs is not None and find_spec(needs[0]) is None:
        raise ExperimentError(
            f"{sampler!r} needs the package {needs[0]}",
            field="sampler",
            way_out=f"pip install '{needs[1]}', or name another",
        )
    opened = open_sampler(sampler)
    if goals > 1 and isinstance(opened, PerTrialSampler) and not opened.several_goals:
        raise ExperimentError(
            f"{said(sampler)!r} searches for one metric, and there are {goals}",
            field="sampler",
            way_out="take tpe, nsga2, gp, qmc or random",
        )
    if learns and not getattr(opened, "learns_from_others", False):
        raise _learns_not(sampler)
    return opened.caveat(space) if isinstance(opened, PerTrialSampler) else None


def _learns_not(sampler: str | BaseSampler) -> ExperimentError:
    return ExperimentError(
        f"{said(sampler)!r} learns from no other study",
        field="learn_from",
        way_out="drop it, or take `sampler` rung_gp",
    )


def open_sampler(
    sampler: str | BaseSampler, options: Mapping[str, Any] | None = None
) -> BaseSampler:
    """The sampler of a study, made once; one that is made takes those of the options that it has.

    Raises ExperimentError for what cannot be one.
    """
    if not isinstance(sampler, str):
        _check_object(sampler, "it")
        return sampler
    made = SAMPLERS.made(sampler, options or {})
    _check_object(made, f"what {sampler!r} makes")
    opened: BaseSampler = made
    return opened


def for_trial(sampler: BaseSampler, number: int, setting: Setting, again: int = 0) -> BaseSampler:
    """The sampler that proposes trial `number`: one of ours bound to it, another watched.

    `again` counts the proposals for the same trial that were not taken.
    """
    from tuner.samplers.inside import InsideSampler
    from tuner.samplers.per_trial import PerTrialSampler

    if isinstance(sampler, PerTrialSampler):
        return sampler.for_trial(number, setting, again)
    return InsideSampler(sampler)


def _check_object(sampler: Any, what: str) -> None:
    from optuna.samplers import BaseSampler

    if not isinstance(sampler, BaseSampler):
        raise ExperimentError(
            f"{what} is a {type(sampler).__name__}, and must be an Optuna BaseSampler",
            field="sampler",
            way_out="give an object of a class that derives from it",
        )

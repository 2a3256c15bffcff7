"""Samplers by name. Each is one of Optuna's, made anew for every ask.

A proposal is a function of the study's seed, the trial's number and what was told: nothing is kept
between asks, so a resumed study goes on as an undisturbed one would.

| name | STOPPED trials | DIVERGED trials |
| --- | --- | --- |
| tpe | rank below COMPLETE ones, by how far they came | rank last, as infeasible |
| gp | are not seen | count as COMPLETE with the worst value seen |
| cmaes | count with their last value | count as COMPLETE with the worst value seen |
| random, qmc | learn from nothing | learn from nothing |

An ask of TPE's takes time in proportion to the trials that it sees. In a study of more than
TPE_SEES ended ones it sees the newest TPE_NEWEST, and of those before them the TPE_BEST best by its
own ranking: what an ask costs then grows by the look at them all only, 1 ms for each 1,000.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import optuna
from optuna.samplers import (
    BaseSampler,
    QMCSampler,
    RandomSampler,
)

from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.samplers.cmaes import _CmaEs
from tuner.samplers.gp import _GP
from tuner.samplers.tpe import _TPE
from tuner.search_space.axes import Categorical, Constant
from tuner.search_space.space import SearchSpace
from tuner.study.seeds import ask_seed

NEEDS = {"gp": ("torch", "tuner[gp]"), "cmaes": ("cmaes", "cmaes")}
"""The packages that a sampler needs, and how to get them."""


def check_sampler(experiment: Experiment) -> None:
    """Raises ExperimentError if a package that the sampler needs is missing."""
    package, install = NEEDS.get(experiment.sampler, ("optuna", ""))
    if find_spec(package) is None:
        raise ExperimentError(
            f"sampler {experiment.sampler!r} needs the package {package}; pip install '{install}'"
        )


def caveat(experiment: Experiment) -> str | None:
    """What the sampler cannot learn, from stopped trials or of some axes, in a line."""
    said = []
    stops = experiment.scheduler != "none"
    if experiment.sampler == "gp" and stops:
        said.append(
            "gp sees COMPLETE and DIVERGED trials only: it learns nothing from STOPPED ones"
        )
    if experiment.sampler == "cmaes" and stops:
        said.append("cmaes takes a STOPPED trial's last value as if it were its final one")
    drawn = [
        name
        for name, axis in SearchSpace(experiment.space).items()
        if isinstance(axis, Categorical) or (axis.when and not isinstance(axis, Constant))
    ]
    if experiment.sampler == "cmaes" and drawn:
        said.append(f"cmaes draws categorical and conditional axes at random: {', '.join(drawn)}")
    return "; ".join(said) or None


def make_sampler(experiment: Experiment, trial: int) -> BaseSampler:
    """The sampler that proposes trial number `trial`."""
    makers: dict[str, Callable[[int], BaseSampler]] = {
        "tpe": lambda seed: _TPE(seed=seed, multivariate=experiment.multivariate),
        "random": lambda seed: RandomSampler(seed=seed),
        "cmaes": lambda seed: _CmaEs(
            seed=seed, consider_pruned_trials=True, warn_independent_sampling=False
        ),
        "gp": lambda seed: _GP(seed=seed, warn_independent_sampling=False),
        # One scrambled sequence for the whole study; the storage counts how far it has come.
        "qmc": lambda seed: QMCSampler(
            seed=experiment.seed,
            independent_sampler=RandomSampler(seed=seed),
            warn_independent_sampling=False,
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return makers[experiment.sampler](ask_seed(experiment.seed, trial))

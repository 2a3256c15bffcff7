"""Samplers by name. Each is one of Optuna's, made anew for every ask.

A proposal is a function of the study's seed, the trial's number and what was told: nothing is kept
between asks, so a resumed study goes on as an undisturbed one would.

| name | STOPPED trials | DIVERGED trials |
| --- | --- | --- |
| tpe | rank below COMPLETE ones, by how far they came | rank last, as infeasible |
| gp | are not seen | count as COMPLETE with the worst value seen |
| cmaes | count with their last value | count as COMPLETE with the worst value seen |
| random, qmc | learn from nothing | learn from nothing |
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from tuner.cmaes_state import check_state
from tuner.errors import ExperimentError
from tuner.experiment import Experiment
from tuner.search_space import Categorical, Constant, SearchSpace
from tuner.seeds import ask_seed

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
        "tpe": lambda seed: TPESampler(seed=seed, multivariate=experiment.multivariate),
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


class _Penalised:
    """An Optuna study in which DIVERGED trials are COMPLETE, with the worst value there is."""

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: tuple[TrialState, ...] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = self._study._get_trials(deepcopy=False, use_cache=use_cache)
        values = [t.value for t in trials if t.value is not None and not t.constraints]
        if values:
            high_is_bad = self._study.direction is optuna.study.StudyDirection.MINIMIZE
            worst = max(values) if high_is_bad else min(values)
            trials = [_with_value(t, worst) if t.constraints else t for t in trials]
        return [t for t in trials if states is None or t.state in states]


def _with_value(trial: FrozenTrial, value: float) -> FrozenTrial:
    told = copy.copy(trial)
    told.state = TrialState.COMPLETE
    told.values = [value]
    attrs = trial.system_attrs
    told.system_attrs = {k: v for k, v in attrs.items() if not k.startswith("constraints")}
    return told


class _SeesPenalised(BaseSampler):
    """Mixin: the sampler sees a study in which divergence has a price."""

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        return super().infer_relative_search_space(_Penalised(study), trial)  # type: ignore[safe-super, arg-type]

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return super().sample_relative(_Penalised(study), trial, search_space)  # type: ignore[safe-super, arg-type]


class _CmaEs(_SeesPenalised, CmaEsSampler):
    def _concat_optimizer_attrs(self, optimizer_attrs: dict[str, str]) -> str:
        pickled = super()._concat_optimizer_attrs(optimizer_attrs)
        check_state(bytes.fromhex(pickled))
        return pickled


class _GP(_SeesPenalised, GPSampler):
    pass

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

import copy
import heapq
import warnings
from collections.abc import Callable
from functools import cached_property
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
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import FrozenTrial, TrialState

from tuner.cmaes_state import check_state
from tuner.errors import ExperimentError
from tuner.experiment import Experiment
from tuner.search_space import Categorical, Constant, SearchSpace
from tuner.seeds import ask_seed

NEEDS = {"gp": ("torch", "tuner[gp]"), "cmaes": ("cmaes", "cmaes")}
"""The packages that a sampler needs, and how to get them."""
TPE_BEST, TPE_NEWEST = 100, 900
"""Of the best TPE makes its model of good points, 25 at most; of all others that of the rest, where
the older ones weigh little."""
TPE_SEES = TPE_BEST + TPE_NEWEST


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


class _View:
    """An Optuna study of which a sampler sees what `shown` makes of its trials.

    It looks once: an ask goes by what was told when it began.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        raise NotImplementedError

    @cached_property
    def _seen(self) -> list[FrozenTrial]:
        return self.shown(self._study._get_trials(deepcopy=False))

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: tuple[TrialState, ...] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return [t for t in self._seen if states is None or t.state in states]


class _Penalised(_View):
    """DIVERGED trials are COMPLETE, with the worst value there is."""

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        values = [t.value for t in trials if t.value is not None and not t.constraints]
        if not values:
            return trials
        high_is_bad = self._study.direction is optuna.study.StudyDirection.MINIMIZE
        worst = max(values) if high_is_bad else min(values)
        return [_with_value(t, worst) if t.constraints else t for t in trials]


class _Windowed(_View):
    """A large study shows TPE_SEES of its ended trials, and all that run."""

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        ended = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        if len(ended) <= TPE_SEES:
            return trials
        older = ended[:-TPE_NEWEST]
        complete = [t for t in older if t.state is TrialState.COMPLETE]
        if len(complete) < TPE_BEST:
            best, _ = _split_trials(self._study, older, TPE_BEST)
        else:  # the same, faster: COMPLETE comes first
            high_is_good = self._study.direction is optuna.study.StudyDirection.MAXIMIZE
            pick = heapq.nlargest if high_is_good else heapq.nsmallest
            best = pick(TPE_BEST, complete, key=lambda t: t.values[0])
        running = [t for t in trials if t.state is TrialState.RUNNING]
        return [*best, *ended[-TPE_NEWEST:], *running]


def _with_value(trial: FrozenTrial, value: float) -> FrozenTrial:
    told = copy.copy(trial)
    told.state = TrialState.COMPLETE
    told.values = [value]
    attrs = trial.system_attrs
    told.system_attrs = {k: v for k, v in attrs.items() if not k.startswith("constraints")}
    return told


class _Sees(BaseSampler):
    """Mixin: a sampler that is made for one ask sees a `view` of the study."""

    view: type[_View]
    _viewed: _View | None = None

    def _look(self, study: Any) -> Any:
        self._viewed = self._viewed or self.view(study)
        return self._viewed

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        return super().infer_relative_search_space(self._look(study), trial)  # type: ignore[safe-super]

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return super().sample_relative(self._look(study), trial, search_space)  # type: ignore[safe-super]


class _TPE(_Sees, TPESampler):
    view = _Windowed

    def sample_independent(self, study: Any, *asked: Any) -> Any:
        return super().sample_independent(self._look(study), *asked)


class _CmaEs(_Sees, CmaEsSampler):
    view = _Penalised

    def _concat_optimizer_attrs(self, optimizer_attrs: dict[str, str]) -> str:
        pickled = super()._concat_optimizer_attrs(optimizer_attrs)
        check_state(bytes.fromhex(pickled))
        return pickled


class _GP(_Sees, GPSampler):
    view = _Penalised

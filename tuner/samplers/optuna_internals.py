"""The private names of Optuna that our samplers lean on, and nothing else."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import FrozenTrial, TrialState


class Shown:
    """An Optuna study of which a sampler of Optuna's sees the given trials.

    Optuna's samplers read a study's trials by `_get_trials`; all else is the study's own.
    """

    def __init__(self, study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
        self._study = study
        self._trials = list(trials)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(
        self, deepcopy: bool = True, states: tuple[TrialState, ...] | None = None
    ) -> list[FrozenTrial]:
        return [t for t in self._trials if states is None or t.state in states]

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: tuple[TrialState, ...] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return self.get_trials(deepcopy, states)


def complete(
    trial: FrozenTrial, values: Sequence[float], violation: float | None = None
) -> FrozenTrial:
    """The trial as one that is COMPLETE with these values.

    It violates its constraints by so much; None: there are none.
    """
    told = copy.copy(trial)
    told.state = TrialState.COMPLETE
    told.values = list(values)
    attrs = trial._system_attrs
    told._system_attrs = {k: v for k, v in attrs.items() if not k.startswith("constraints")}
    if violation is not None:
        told._system_attrs["constraints"] = [violation]
    return told


def check() -> str | None:
    """What has changed in Optuna, in a line; None if nothing has."""
    if "_get_trials" not in inspect.getsource(TPESampler):
        return "Optuna's samplers no longer read trials by Study._get_trials"
    trial = optuna.trial.create_trial(value=1.0, constraints={"known": 1.0})
    if complete(trial, [2.0]).constraints or not complete(trial, [2.0], 1.0).constraints:
        return "Optuna keeps a trial's constraints under another name"
    try:
        from optuna.samplers.nsgaii import _child_generation_strategy as children
        from optuna.samplers.nsgaii import _elite_population_selection_strategy as elites

        made = (children.NSGAIIChildGenerationStrategy, LazyRandomState)
        chosen = elites.NSGAIIElitePopulationSelectionStrategy
        inspect.signature(made[0]).bind(crossover_prob=1, swapping_prob=1, crossover=None, rng=None)
        inspect.signature(chosen).bind(population_size=2)
    except (ImportError, AttributeError, TypeError) as error:
        return f"Optuna's NSGA-II is made another way: {error}"
    return None


def child(
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    space: dict[str, BaseDistribution],
    seed: int,
    population: int,
) -> dict[str, Any]:
    """A child of the best of these trials, by NSGA-II; what it leaves out is to be drawn.

    The parents are the elite of all that there are, instead of a generation's.
    """
    from optuna.samplers.nsgaii import UniformCrossover
    from optuna.samplers.nsgaii import _child_generation_strategy as children
    from optuna.samplers.nsgaii import _elite_population_selection_strategy as elites

    chosen = elites.NSGAIIElitePopulationSelectionStrategy(population_size=population)
    made = children.NSGAIIChildGenerationStrategy(
        crossover_prob=0.9,
        swapping_prob=0.5,
        crossover=UniformCrossover(),
        rng=LazyRandomState(seed),
    )
    return made(study, space, chosen(study, list(trials)))

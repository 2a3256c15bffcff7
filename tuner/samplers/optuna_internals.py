"""The private names of Optuna that our samplers lean on, and nothing else."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.samplers import TPESampler
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


def complete(trial: FrozenTrial, value: float) -> FrozenTrial:
    """The trial as one that is COMPLETE with this value, and violates nothing."""
    told = copy.copy(trial)
    told.state = TrialState.COMPLETE
    told.values = [value]
    attrs = trial._system_attrs
    told._system_attrs = {k: v for k, v in attrs.items() if not k.startswith("constraints")}
    return told


def check() -> str | None:
    """What has changed in Optuna, in a line; None if nothing has."""
    if "_get_trials" not in inspect.getsource(TPESampler):
        return "Optuna's samplers no longer read trials by Study._get_trials"
    trial = optuna.trial.create_trial(value=1.0, constraints={"known": 1.0})
    if complete(trial, 2.0).constraints:
        return "Optuna keeps a trial's constraints under another name"
    return None

"""Optuna's own samplers on the rung view: a trial's value at the highest rung with enough."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.curve_model.columns import Columns
from tuner.samplers.goals_view import goals_view
from tuner.samplers.optuna_internals import Shown, complete
from tuner.samplers.per_trial import Look, PerTrialSampler
from tuner.samplers.told import rung_view

BEST, NEWEST = 100, 900
"""Of a study with more values a sampler sees the best and the newest: an ask takes no longer."""


class RungView(PerTrialSampler):
    """Base of those that see each trial by one value, that of the highest rung with enough.

    A `share` of the proposals is drawn at random.
    """

    def __init__(self, *, share: float = 0.0, **given: Any) -> None:
        super().__init__(**given)
        self._share = share

    def _shown(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        """The study as Optuna's sampler sees it; None for a trial that is drawn at random."""
        if self.rng(trial, 2).random() < self._share:
            return None
        look = self.look(study, trial)
        if len(study.directions) > 1:
            return self._shown_of_several(study, look)
        losses = rung_view(look.curves, look.rungs)
        if not losses:
            return None
        sign = -1.0 if study.direction is StudyDirection.MAXIMIZE else 1.0
        seen = [complete(look.trials[n], [sign * losses[n]]) for n in newest_and_best(losses)]
        running = [
            t for n, t in look.trials.items() if t.state is TrialState.RUNNING and n not in losses
        ]
        return Shown(study, seen + running)

    def _shown_of_several(self, study: optuna.Study, look: Look) -> Any:
        """As `_shown`, each trial with the values of all goals; None while few have any."""
        view = goals_view(look.trials, look.rungs, study.directions)
        if not view:
            return None
        violated = any(violation > 0 for _, violation in view.values())
        newest = list(view)[-(BEST + NEWEST) :]
        seen = [
            complete(look.trials[n], view[n][0], view[n][1] if violated else None) for n in newest
        ]
        running = [
            t for n, t in look.trials.items() if t.state is TrialState.RUNNING and n not in view
        ]
        return Shown(study, seen + running)


class RungViewSampler(RungView):
    """Base of those that are a sampler of Optuna's, made anew for each trial."""

    def made(self, seed: int) -> BaseSampler:
        """Optuna's sampler with this seed."""
        raise NotImplementedError

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        shown = self._shown(study, trial)
        if shown is None:
            return {}
        return self.made(0).infer_relative_search_space(shown, trial)

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        shown = self._shown(study, trial)
        if shown is None:
            return self.drawn(Columns(space), rng)
        return self.made(self.seed_of(trial)).sample_relative(shown, trial, dict(space))

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self._check_objectives(study)
        shown = self._shown(study, trial)
        if shown is None:
            return super().sample_independent(study, trial, param_name, param_distribution)
        sampler = self.made(self.seed_of(trial, zlib.crc32(param_name.encode())))
        return sampler.sample_independent(shown, trial, param_name, param_distribution)


def newest_and_best(losses: Mapping[int, float]) -> list[int]:
    """Of many trials' losses, by age, the numbers of those that a sampler sees."""
    if len(losses) <= BEST + NEWEST:
        return list(losses)
    numbers = list(losses)
    older = sorted(numbers[:-NEWEST], key=lambda number: (losses[number], number))
    return sorted(older[:BEST]) + numbers[-NEWEST:]

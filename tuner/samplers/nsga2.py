"""NSGA-II, on the rung view: children of the best trials so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from tuner.curve_model.columns import Columns
from tuner.samplers.optuna_internals import child
from tuner.samplers.rung_view import RungView

POPULATION, LEAST, SHARE = 50, 4, 4
"""Parents at most, as in Optuna's own sampler, and at least; while few were told, one in four."""


class RungNSGAIISampler(RungView):
    """Crosses two of the best trials, and draws an axis anew now and then.

    The parents are the elite of all trials told, not of a generation: nothing has to be kept
    between asks, and no generation waited for. An axis that a trial lacks, or had with another
    range, is drawn. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II",
    2002, by Optuna's parts.
    """

    several_goals: ClassVar[bool] = True

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        drawn = self.drawn(Columns(space), rng)
        shown = self._shown(study, trial)
        if shown is None:
            return drawn
        told = shown.get_trials(states=(TrialState.COMPLETE,))
        shared = {
            name: axis
            for name, axis in space.items()
            if all(one.distributions.get(name) == axis for one in told)
        }
        if len(told) < 2 or not shared:
            return drawn
        population = min(POPULATION, max(LEAST, len(told) // SHARE))
        return drawn | child(shown, told, shared, self.seed_of(trial), population)

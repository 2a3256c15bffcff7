"""CMA-ES, on the rung view, started anew from what was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from cmaes import CMA
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from tuner.curve_model.columns import Columns
from tuner.samplers.per_trial import PerTrialSampler
from tuner.samplers.told import rung_view
from tuner.search_space.axes import Categorical, Constant
from tuner.search_space.space import SearchSpace

SIGMA = 1 / 6
"""The first deviation of an axis from 0 to 1, as Optuna has it."""


class RungCmaEsSampler(PerTrialSampler):
    """CMA-ES over the numbers of a space; categories and conditional axes are drawn.

    Its state is built anew for each trial: the values told are its generations, by the trials'
    age. So nothing has to be kept in the storage, points told by others count, and a study that
    was killed goes on as it would have. Hansen, "The CMA Evolution Strategy: A Tutorial", 2016.
    """

    def caveat(self, space: SearchSpace) -> str | None:
        drawn = [
            name
            for name, axis in space.items()
            if isinstance(axis, Categorical) or (axis.when and not isinstance(axis, Constant))
        ]
        if not drawn:
            return None
        return f"cmaes draws categorical and conditional axes at random: {', '.join(drawn)}"

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        look = self.look(study, trial)
        losses = rung_view(look.curves, look.rungs)
        columns = Columns(self._followed(space, look.trials))
        drawn = self.drawn(Columns(space), rng)
        if not losses or not columns.axes:
            return drawn
        dim = len(columns.axes)
        state = CMA(
            mean=np.full(dim, 0.5),
            sigma=SIGMA,
            bounds=np.tile([0.0, 1.0], (dim, 1)),
            seed=self.seed_of(trial),
            n_max_resampling=10 * dim,
        )
        points = columns.points([look.trials[number].params for number in losses])
        told = list(zip(points, losses.values(), strict=True))
        size = state.population_size
        for first in range(0, len(told) - size + 1, size):
            state.tell(told[first : first + size])
        return drawn | columns.params(columns.settled(state.ask()[None])[0])

    def _followed(
        self, space: Mapping[str, BaseDistribution], trials: Mapping[int, FrozenTrial]
    ) -> dict[str, BaseDistribution]:
        """The numbers that every trial has."""
        return {
            name: distribution
            for name, distribution in space.items()
            if not isinstance(distribution, CategoricalDistribution)
            and all(name in trial.params for trial in trials.values())
        }

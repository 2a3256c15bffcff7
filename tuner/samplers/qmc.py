"""Quasi-random points: a scrambled Sobol sequence, of which trial n takes point n."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial
from scipy.stats.qmc import Sobol

from tuner.curve_model.columns import Columns
from tuner.curve_model.presence import without
from tuner.samplers.per_trial import PerTrialSampler


class SobolSampler(PerTrialSampler):
    """Fills the space evenly; learns from nothing. Where a trial needs another point it is drawn.

    Sobol, 1967; scrambled by Owen's rule, 1998.
    """

    several_goals: ClassVar[bool] = True

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        columns = Columns(space)
        if self._again:
            return self.drawn(columns, rng)
        sequence = Sobol(len(space), rng=np.random.default_rng(self._seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it wants powers of two of them
            units = sequence.random(self.number(trial) + 1)[-1:]
        settled = without(columns.settled(units), self.absent(columns))
        return columns.params(settled[0])

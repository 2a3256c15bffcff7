"""Points at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.curve_model.columns import Columns
from tuner.samplers.per_trial import PerTrialSampler


class UniformSampler(PerTrialSampler):
    """Draws each axis evenly (by logarithm where it is so declared); learns from nothing."""

    several_goals: ClassVar[bool] = True

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        return self.drawn(Columns(space), rng)

"""Points at random."""

from __future__ import annotations

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.samplers.per_trial import PerTrialSampler


class UniformSampler(PerTrialSampler):
    """Draws each axis evenly (by logarithm where it is so declared); learns from nothing."""

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

"""The default sampler: a Gaussian process over (point, log epoch), which learns from every rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.curve_model.columns import Columns
from tuner.curve_model.model import CurveModel, enough
from tuner.samplers.per_trial import PerTrialSampler


class RungGPSampler(PerTrialSampler):
    """Proposes the best point at the last epoch, in one draw from the model of all curves.

    It reads the intermediate values of all trials, running, stopped and complete ones alike, and
    so needs no trial to end. A `share` of the proposals is drawn at random for ever, and all are
    until ten trials have a value at a rung, unless there are trials of earlier studies. Trials with
    a violated constraint count as worst.

        study = optuna.create_study(sampler=RungGPSampler(seed=0, last_epoch=50))
    """

    learns_from_others = True

    def __init__(self, *, share: float = 1 / 3, **given: Any) -> None:
        super().__init__(**given)
        self._share = share

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        columns = Columns(space)
        if rng.random() < self._share:
            return self.drawn(columns, rng)
        look = self.look(study, trial)
        if not enough(look.curves) and not self._learned:
            return self.drawn(columns, rng)
        absent, learned = self.absent(columns), self._learned
        model = CurveModel(columns, look.rungs, look.curves, absent, learned)
        return model.propose(rng)

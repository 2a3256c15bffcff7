"""Where a study's points come from: the grid, the points enqueued, the sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler

from tuner.curve_model.sources import NOTHING, Learned
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import cells_per_trial, most_epochs
from tuner.samplers.per_trial import Setting
from tuner.samplers.registry import GRID, for_trial, open_sampler
from tuner.search_space.axes import Axis, Categorical, Constant, Float
from tuner.search_space.grid import grid_points
from tuner.search_space.ranges import top_of
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger

REMEMBERED_POINTS = 100_000
"""In a space of so many points or fewer, a point that was tried before is not trained again."""
TRIES = 5
"""How often a sampler is asked for a point that was not tried before."""


class Proposals:
    """The points of an experiment, by trial number. `total` is how many there are."""

    def __init__(
        self,
        experiment: Experiment,
        ledger: Ledger,
        enqueued: Sequence[Mapping[str, Any]],
        learned: Learned = NOTHING,
    ) -> None:
        self._space = SearchSpace(experiment.space)
        self._ledger = ledger
        self.enqueued = enqueued
        self.size = size_of(self._space)
        grid = experiment.sampler == GRID
        self.points: Sequence[Mapping[str, Any]] | None = grid_points(self._space) if grid else None
        self._experiment = experiment
        self._sampler: BaseSampler | None = None
        self._setting = _setting_of(experiment, self._space, learned)
        self.total = experiment.trials if self.points is None else len(self.points)
        self.remembered = self.points is None and self.size <= REMEMBERED_POINTS
        # A grid that nothing stops is the same in any order.
        fixed = self.points is not None and experiment.scheduler == "none"
        self.windowed = experiment.deterministic and not fixed

    def propose(
        self, number: int, known_before: Callable[[Mapping[str, Any]], bool], tried: int
    ) -> tuple[int, dict[str, Any]]:
        """Open trial `number`'s first attempt in the ledger; its id and its point.

        A sampler that proposes a point `known_before` is asked for another, TRIES times in all;
        `tried` is how many distinct points are known.
        """
        if self.points is not None:
            attrs = {"trial": number, "attempt": 1}
            params = dict(self.points[number])
            return self._ledger.open(self._space, params, attrs), params
        if self._sampler is None:
            self._sampler = _sampler_of(self._experiment, number)
        known = self.enqueued[number] if number < len(self.enqueued) else {}
        tries = 1 if known or tried >= self.size else TRIES
        for again in range(tries):
            sampler = for_trial(self._sampler, number, self._setting, again)
            attempt_id, params = self._ledger.propose(sampler, self._space, number, known)
            if again + 1 == tries or not known_before(params):
                break
            self._ledger.discard(attempt_id)
        return attempt_id, params


def size_of(space: SearchSpace) -> float:
    """How many points a space has at most, conditions aside; infinite with a continuous axis."""
    return math.prod((_values(axis) for axis in space.values()), start=1.0)


def _values(axis: Axis) -> float:
    if isinstance(axis, Categorical):
        return len(axis.choices)
    if isinstance(axis, Constant):
        return 1
    if (axis.log and isinstance(axis, Float)) or (axis.step is None and isinstance(axis, Float)):
        return math.inf
    return round((top_of(axis) - axis.low) / (axis.step or 1)) + 1


def _sampler_of(experiment: Experiment, first: int) -> BaseSampler:
    """The study's sampler, which proposes from trial `first` on.

    One that keeps a state of its own does not begin it again when the study is resumed.
    """
    seed = int(np.random.SeedSequence([experiment.seed, first]).generate_state(1)[0])
    options = {"multivariate": experiment.multivariate, "seed": seed}
    return open_sampler(experiment.sampler, options)


def _setting_of(experiment: Experiment, space: SearchSpace, learned: Learned) -> Setting:
    """What the sampler is told. In a cross-validation the ledger's steps are folds."""
    cells = cells_per_trial(experiment)
    return Setting(
        seed=experiment.seed,
        space=space,
        last_epoch=cells if cells > 1 else most_epochs(experiment),
        eta=experiment.eta,
        min_epochs=1 if cells > 1 else experiment.min_epochs,
        learned=learned,
    )

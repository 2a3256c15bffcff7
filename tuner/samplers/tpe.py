"""TPE, with a window on large studies."""

from __future__ import annotations

import heapq
from typing import Any

import optuna
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import _split_trials
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.views import _Sees, _View

TPE_BEST, TPE_NEWEST = 100, 900
"""Of the best TPE makes its model of good points, 25 at most; of all others that of the rest, where
the older ones weigh little."""


TPE_SEES = TPE_BEST + TPE_NEWEST


class _Windowed(_View):
    """A large study shows TPE_SEES of its ended trials, and all that run."""

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        ended = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        if len(ended) <= TPE_SEES:
            return trials
        older = ended[:-TPE_NEWEST]
        complete = [t for t in older if t.state is TrialState.COMPLETE]
        if len(complete) < TPE_BEST:
            best, _ = _split_trials(self._study, older, TPE_BEST)
        else:  # the same, faster: COMPLETE comes first
            high_is_good = self._study.direction is optuna.study.StudyDirection.MAXIMIZE
            pick = heapq.nlargest if high_is_good else heapq.nsmallest
            best = pick(TPE_BEST, complete, key=lambda t: t.values[0])
        running = [t for t in trials if t.state is TrialState.RUNNING]
        return [*best, *ended[-TPE_NEWEST:], *running]


class _TPE(_Sees, TPESampler):
    view = _Windowed

    def sample_independent(self, study: Any, *asked: Any) -> Any:
        return super().sample_independent(self._look(study), *asked)

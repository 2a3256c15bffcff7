"""Searches of others, each through its own library's rules, for benchmarks.default_search."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import optuna

from tuner.search_space.space import SearchSpace


class Peer(Protocol):
    """A search that is asked for points and told reports; `report` says whether a trial goes on."""

    def ask(self) -> tuple[Any, Mapping[str, Any]]: ...

    def report(self, trial: Any, epoch: int, loss: float) -> bool: ...

    def end(self, trial: Any, loss: float, *, pruned: bool) -> None: ...


class OptunaHyperband:
    """Optuna's TPE and Hyperband, as its users have them by default."""

    def __init__(self, space: Mapping[str, Any], epochs: int, seed: int) -> None:
        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=seed)
        self.study = optuna.create_study(sampler=sampler, pruner=pruner)
        self.space = SearchSpace(space)

    def ask(self) -> tuple[Any, Mapping[str, Any]]:
        trial = self.study.ask()
        return trial, self.space.suggest(trial)

    def report(self, trial: optuna.Trial, epoch: int, loss: float) -> bool:
        trial.report(loss, epoch)
        return not trial.should_prune()

    def end(self, trial: optuna.Trial, loss: float, *, pruned: bool) -> None:
        if math.isnan(loss):
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        elif pruned:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self.study.tell(trial, loss)


class RayPair(OptunaHyperband):
    """Ray Tune's ASHAScheduler and OptunaSearch, by their rules.

    A trial stops where it is below the upper quarter of those that came to the rung before it, and
    the searcher hears its last value as a final one. NaN goes on.
    """

    FACTOR = 4

    def __init__(self, space: Mapping[str, Any], epochs: int, seed: int) -> None:
        super().__init__(space, epochs, seed)
        steps = int(math.log(epochs) / math.log(self.FACTOR))
        self.rungs: dict[int, dict[int, float]] = {self.FACTOR**k: {} for k in range(steps + 1)}

    def report(self, trial: optuna.Trial, epoch: int, loss: float) -> bool:
        for rung in sorted(self.rungs, reverse=True):
            recorded = self.rungs[rung]
            if epoch < rung or trial.number in recorded:
                continue
            known = list(recorded.values())
            cutoff = np.nanpercentile(known, 100 / self.FACTOR) if known else math.inf
            recorded[trial.number] = loss
            return not loss > cutoff
        return True

    def end(self, trial: optuna.Trial, loss: float, *, pruned: bool) -> None:
        super().end(trial, loss, pruned=False)


PEERS: dict[str, type[OptunaHyperband]] = {
    "optuna tpe + hyperband": OptunaHyperband,
    "ray asha + optuna": RayPair,
}

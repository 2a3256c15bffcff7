"""Shares of importance from points and their results: fANOVA, ANOVA of a balanced grid, PED-ANOVA.

fANOVA: Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance",
ICML 2014. PED-ANOVA: Watanabe, Bansal, Hutter, IJCAI 2023. Both are Optuna's.

Optuna's fANOVA weighs by volume on the plain scale, log axis or not: of a learning rate from 1e-4
to 1 it sees the last decade alone. Numbers go in as they are searched, so as logarithms of log
axes; those of a grid as the steps of its levels.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

if TYPE_CHECKING:  # it brings scikit-learn, which a run's end can do without
    from optuna.importance import BaseImportanceEvaluator

TREES, FEWER_TREES = 32, 8
"""Trees of fANOVA's forest, and of one that is grown again for each resample."""
MOST_TRIALS = 240
"""Trials that importance is worked out from: forests of more take long and say the same."""
BEST_SHARE = 0.25
"""What PED-ANOVA asks about: what tells the best quarter from the rest."""

EXPECTED_S, EXPECTED_EACH_S = 2.5, 0.035
"""About how long the first `importance_of` of a process takes with 16 resamples (1 s is
scikit-learn's import), as a sum and for each of its trials: of 7 axes on one core, 5 s of 50 trials
and 10 s of MOST_TRIALS."""

Shares = dict[str, float]
Method = Callable[["Points", int], Shares]


@dataclass(frozen=True)
class Points:
    """n points and their results (higher or lower: the methods but PED-ANOVA see no difference).

    `params` as they are searched, and `axes` the distributions of the axes that each point has.
    """

    params: Sequence[Mapping[str, Any]]
    axes: Sequence[Mapping[str, BaseDistribution]]
    results: np.ndarray

    def __len__(self) -> int:
        return len(self.params)

    def take(self, index: np.ndarray) -> Points:
        """The points of an index, which may name one twice."""
        return Points(
            [self.params[i] for i in index], [self.axes[i] for i in index], self.results[index]
        )

    def varied(self) -> list[str]:
        """The axes of more than one value, in order."""
        levels: dict[str, set[Any]] = {}
        for params in self.params:
            for name, value in params.items():
                levels.setdefault(name, set()).add(value)
        return [name for name, values in levels.items() if len(values) > 1]

    def common(self) -> list[str]:
        """The varied axes that all points have."""
        return [name for name in self.varied() if all(name in params for params in self.params)]


def as_searched(points: Points, *, levels: bool = False) -> Points:
    """The points with logarithms for log axes; with `levels`, numbers as places among theirs."""
    kinds: dict[str, BaseDistribution] = {}
    for one in points.axes:
        kinds.update(one)
    new: dict[str, tuple[BaseDistribution, Callable[[Any], float]]] = {}
    for name, kind in kinds.items():
        if isinstance(kind, CategoricalDistribution):
            continue
        if levels:
            known = sorted({params[name] for params in points.params if name in params})
            new[name] = IntDistribution(0, max(1, len(known) - 1)), known.index
        elif getattr(kind, "log", False) and not kind.single():
            low, high = (math.log(end) for end in (kind.low, kind.high))  # type: ignore[attr-defined]
            new[name] = FloatDistribution(low, high), math.log
    params = [
        {k: new[k][1](value) if k in new else value for k, value in point.items()}
        for point in points.params
    ]
    searched = [{k: new[k][0] if k in new else v for k, v in one.items()} for one in points.axes]
    return Points(params, searched, points.results)


def is_balanced(points: Points) -> bool:
    """Whether every combination of levels was tried equally often: a whole grid."""
    names = points.varied()
    if not names or names != points.common():
        return False
    tried: dict[tuple[Any, ...], int] = {}
    for params in points.params:
        key = tuple(params[name] for name in names)
        tried[key] = tried.get(key, 0) + 1
    product = math.prod(len({params[name] for params in points.params}) for name in names)
    return len(tried) == product and len(set(tried.values())) == 1


def anova(points: Points, seed: int = 0) -> Shares:
    """Of each axis, the share of variance between its levels' means; exact for balanced points.

    What the shares leave of 1 is interaction (and noise, with several results a combination).
    """
    results = points.results
    total = float(results.var())
    shares = {}
    for name in points.common():
        known = {value: i for i, value in enumerate(dict.fromkeys(p[name] for p in points.params))}
        level = np.array([known[params[name]] for params in points.params])
        size = np.bincount(level)
        means = np.bincount(level, results) / size
        between = float((size * (means - results.mean()) ** 2).sum()) / len(results)
        shares[name] = between / total if total else 0.0
    return shares


def fanova(points: Points, seed: int = 0, trees: int = TREES) -> Shares:
    """fANOVA's shares of the axes that all points have; they add up to 1."""
    from optuna.importance import FanovaImportanceEvaluator

    evaluator = FanovaImportanceEvaluator(n_trees=trees, seed=seed)
    return _by_optuna(points, evaluator, points.common())


def ped_anova(points: Points, seed: int = 0) -> Shares:
    """PED-ANOVA's shares for the best quarter (the highest results); they add up to 1."""
    from optuna.importance import PedAnovaImportanceEvaluator

    evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
    return _by_optuna(points, evaluator, None)


def _by_optuna(
    points: Points, evaluator: BaseImportanceEvaluator, params: list[str] | None
) -> Shares:
    from optuna.importance import get_param_importances

    if len(set(points.results.tolist())) < 2 or params == []:
        return {}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for each study made
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # experimental; a resample may lack an axis' levels
            study = optuna.create_study(direction="maximize")
            study.add_trials(
                [
                    optuna.trial.create_trial(params=dict(p), distributions=dict(d), value=v)
                    for p, d, v in zip(
                        points.params, points.axes, points.results.tolist(), strict=True
                    )
                ]
            )
            return dict(get_param_importances(study, evaluator=evaluator, params=params))
    finally:
        optuna.logging.set_verbosity(verbosity)


@dataclass(frozen=True)
class Share:
    """What one parameter explains: its share, 90% of resamples, and what chance reaches.

    `floor` is what shuffled results reach in one of ten tries; `trials` have the parameter.
    """

    param: str
    share: float
    low: float
    high: float
    floor: float
    trials: int


@dataclass(frozen=True)
class Importance:
    """The shares of all varied parameters, the most important first.

    `left_out` are those that exist in some trials only, of which fANOVA can't tell.
    """

    method: str
    trials: int
    resamples: int
    shares: Sequence[Share]
    left_out: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """The parameters, the most important first."""
        return [share.param for share in self.shares]


METHODS: dict[str, tuple[str, Method, Method]] = {
    "anova": ("ANOVA of the grid", anova, anova),
    "fanova": ("fANOVA", fanova, lambda points, seed: fanova(points, seed, FEWER_TREES)),
    "ped_anova": ("PED-ANOVA", ped_anova, ped_anova),
}
"""By name: what it is called, the method, and the one for resamples."""


def method_for(points: Points) -> str:
    """What suits the question "what explains all results": ANOVA for a whole grid, else fANOVA."""
    return "anova" if is_balanced(points) else "fanova"


class TookTooLongError(Exception):
    """Importance was not worked out in the time that was given for it."""


def expected_s(trials: int) -> float:
    """About how many seconds `importance_of` takes for so many trials."""
    return EXPECTED_S + EXPECTED_EACH_S * min(trials, MOST_TRIALS)


def importance_of(
    points: Points, method: str, *, resamples: int = 16, seed: int = 0, until: float = math.inf
) -> Importance | None:
    """Shares with intervals and floors, from at most MOST_TRIALS points; None without any.

    A share's interval is of `resamples` resamples with replacement, its floor of as many shuffles
    of the results. `points` are as they are searched (`as_searched`). Raises TookTooLongError once
    `time.monotonic()` has passed `until`.
    """
    label, exact, quick = METHODS[method]
    rng = np.random.default_rng(seed)
    if len(points) > MOST_TRIALS and method != "anova":
        points = points.take(np.sort(rng.choice(len(points), MOST_TRIALS, replace=False)))
    main = exact(points, seed)
    names = [name for name in points.varied() if name in main]
    if not names:
        return None
    drawn, chance = [], []
    for _ in range(resamples):
        if time.monotonic() > until:
            raise TookTooLongError("the time that was given for importance is over")
        drawn.append(quick(points.take(rng.integers(0, len(points), len(points))), seed))
        chance.append(quick(replace(points, results=rng.permutation(points.results)), seed))
    shares = []
    for name in sorted(names, key=lambda name: -main[name]):
        again = [found.get(name, 0.0) for found in drawn] or [main[name]]
        floor = [found.get(name, 0.0) for found in chance] or [0.0]
        low, high = np.percentile(again, [5, 95])
        have = sum(name in params for params in points.params)
        shares.append(
            Share(name, main[name], float(low), float(high), float(np.percentile(floor, 90)), have)
        )
    left = [name for name in points.varied() if name not in main]
    return Importance(label, len(points), resamples, shares, left)

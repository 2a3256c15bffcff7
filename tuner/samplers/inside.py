"""A watch on samplers that are not ours: every value must lie on its axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tuner.errors import StudyError
from tuner.search_space.values import is_number, python_value


class InsideSampler(BaseSampler):
    """Another sampler, whose proposals are looked at. Raises StudyError that names its class."""

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        params = self._sampler.sample_relative(study, trial, search_space)
        return {
            name: self._checked(name, value, search_space[name]) if name in search_space else value
            for name, value in params.items()
        }

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        value = self._sampler.sample_independent(study, trial, param_name, param_distribution)
        return self._checked(param_name, value, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._sampler.reseed_rng()

    def _checked(self, name: str, value: Any, distribution: BaseDistribution) -> Any:
        """The value, a NumPy number as Python's; raises StudyError where it is off its axis."""
        value = python_value(value)
        rule = broken_rule(value, distribution)
        if rule is not None:
            raise StudyError(
                f"sampler {type(self._sampler).__name__} proposed {value!r} for axis {name!r}, "
                f"which {rule}: a proposal lies in the space; mend the sampler or take another"
            )
        return value


def broken_rule(value: Any, distribution: BaseDistribution) -> str | None:
    """The rule of an axis that a value breaks, or None."""
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        known = any(value is choice or value == choice for choice in choices)
        return None if known else f"is one of {list(choices)}"
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        return None
    kind = int if isinstance(distribution, IntDistribution) else float
    if not is_number(value) or kind(value) != value:
        return f"takes {'whole numbers' if kind is int else 'numbers'}"
    low, high = distribution.low, distribution.high
    if not low <= value <= high:
        return f"goes from {low} to {high}"
    steps = (value - low) / distribution.step if distribution.step else 0.0
    if abs(steps - round(steps)) > 1e-8:
        return f"goes from {low} in steps of {distribution.step}"
    return None

"""Views: what a sampler sees of a study."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState


class _View:
    """An Optuna study of which a sampler sees what `shown` makes of its trials.

    It looks once: an ask goes by what was told when it began.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        raise NotImplementedError

    @cached_property
    def _seen(self) -> list[FrozenTrial]:
        return self.shown(self._study._get_trials(deepcopy=False))

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: tuple[TrialState, ...] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        return [t for t in self._seen if states is None or t.state in states]


class _Penalised(_View):
    """DIVERGED trials are COMPLETE, with the worst value there is."""

    def shown(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        values = [t.value for t in trials if t.value is not None and not t.constraints]
        if not values:
            return trials
        high_is_bad = self._study.direction is optuna.study.StudyDirection.MINIMIZE
        worst = max(values) if high_is_bad else min(values)
        return [_with_value(t, worst) if t.constraints else t for t in trials]


def _with_value(trial: FrozenTrial, value: float) -> FrozenTrial:
    told = copy.copy(trial)
    told.state = TrialState.COMPLETE
    told.values = [value]
    attrs = trial.system_attrs
    told.system_attrs = {k: v for k, v in attrs.items() if not k.startswith("constraints")}
    return told


class _Sees(BaseSampler):
    """Mixin: a sampler that is made for one ask sees a `view` of the study."""

    view: type[_View]
    _viewed: _View | None = None

    def _look(self, study: Any) -> Any:
        self._viewed = self._viewed or self.view(study)
        return self._viewed

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        return super().infer_relative_search_space(self._look(study), trial)  # type: ignore[safe-super]

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return super().sample_relative(self._look(study), trial, search_space)  # type: ignore[safe-super]

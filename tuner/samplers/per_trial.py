"""What our samplers share: a proposal is a function of (seed, trial number, what was told).

They keep nothing from one trial to the next, so that a resumed study goes on as an undisturbed one
would. Each is an Optuna sampler, for any Optuna study.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tuner.curve_model.columns import Array, Columns
from tuner.curve_model.curves import Curve, rungs_to
from tuner.curve_model.presence import Absent, by_rule
from tuner.curve_model.sources import NOTHING, Learned
from tuner.samplers.told import Reader, last_of_each, last_step
from tuner.search_space.space import SearchSpace


@dataclass(frozen=True)
class Setting:
    """What a study of ours knows and tells its sampler; Optuna's own studies know none of it.

    `last_epoch` is the most that a trial may train (None: as many as any has); `learned` are the
    trials of earlier studies.
    """

    seed: int
    space: SearchSpace
    last_epoch: int | None = None
    eta: int = 3
    min_epochs: int = 1
    learned: Learned = NOTHING


@dataclass(frozen=True)
class Look:
    """What was told when a trial was asked for; `rungs` are epochs, the last epoch among them.

    With several goals there are no curves.
    """

    curves: list[Curve]
    trials: dict[int, FrozenTrial]
    rungs: list[int]


class PerTrialSampler(BaseSampler):
    """Base of our samplers: `propose` gives a point; an axis that it leaves out is drawn.

    Rungs stand at `min_epochs * eta**k` below `last_epoch`, which is the highest step that any
    trial has reported where it is not given. Steps are epochs.
    """

    several_goals: ClassVar[bool] = False
    """Whether it searches for several goals at once."""
    learns_from_others: ClassVar[bool] = False
    """Whether it makes use of the trials of earlier studies, `_learned`."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        eta: int = 3,
        min_epochs: int = 1,
        last_epoch: int | None = None,
    ) -> None:
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._eta = eta
        self._min_epochs = min_epochs
        self._last_epoch = last_epoch
        self._space: SearchSpace | None = None
        self._learned = NOTHING
        self._number: int | None = None
        self._again = 0
        self._reader = Reader()  # one for all trials: it saves time, and changes no answer
        self._looked: tuple[tuple[int, int], Look] | None = None

    def for_trial(self, number: int, setting: Setting, again: int = 0) -> Self:
        """This sampler, for trial `number` of a study of ours; `again`, for another point of it."""
        bound = copy.copy(self)
        bound._seed = setting.seed
        bound._space = setting.space
        bound._learned = setting.learned
        bound._eta = setting.eta
        bound._min_epochs = setting.min_epochs
        bound._last_epoch = setting.last_epoch
        bound._number = number
        bound._again = again
        bound._looked = None
        return bound

    def caveat(self, space: SearchSpace) -> str | None:
        """What this sampler cannot learn of a space, in a line."""
        return None

    # ------------------------------------------------------- what a sampler is

    def propose(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        space: Mapping[str, BaseDistribution],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Values of some or all axes of `space`."""
        return {}

    # ----------------------------------------------------------- Optuna's side

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if len(study.directions) > 1 and not self.several_goals:
            return {}
        return self.known_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._check_objectives(study)
        if not search_space:
            return {}
        return self.propose(study, trial, search_space, self.rng(trial))

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self._check_objectives(study)
        columns = Columns({param_name: param_distribution})
        rng = self.rng(trial, zlib.crc32(param_name.encode()))
        return columns.params(columns.draws(rng, 1)[0])[param_name]

    # ------------------------------------------------------ for those who propose

    def known_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The axes of the study's space, or those that any trial told has had."""
        if self._space is not None:
            return self._space.searched()
        known: dict[str, BaseDistribution] = {}
        for told in self.look(study, trial).trials.values():
            known.update(told.distributions)
        return {name: axis for name, axis in known.items() if not axis.single()}

    def number(self, trial: FrozenTrial) -> int:
        return trial.number if self._number is None else self._number

    def rng(self, trial: FrozenTrial, *more: int) -> np.random.Generator:
        """The generator of a trial: of its number and the seed alone."""
        return np.random.default_rng([self._seed, self.number(trial), self._again, *more])

    def seed_of(self, trial: FrozenTrial, *more: int) -> int:
        """A seed below 2**31 for a sampler of Optuna's."""
        return int(self.rng(trial, 1, *more).integers(2**31))

    def look(self, study: optuna.Study, trial: FrozenTrial) -> Look:
        """What was told, looked at once a trial."""
        key = (id(study), trial.number)
        if self._looked is None or self._looked[0] != key:
            trials = _others(study.get_trials(deepcopy=False), trial.number)
            last = self._last_epoch or last_step(trials)
            rungs = rungs_to(last, self._eta, self._min_epochs)
            if len(study.directions) > 1:
                curves: list[Curve] = []
                by_number = last_of_each(trials)
            else:
                curves, by_number = self._reader.curves(trials, rungs, study.direction)
            self._looked = key, Look(curves, by_number, rungs)
        return self._looked[1]

    def absent(self, columns: Columns) -> Absent | None:
        """By the space's own rule, which axes a point lacks; None where no rule is known."""
        space = self._space
        if space is None or all(axis.when is None for axis in space.values()):
            return None
        constants = space.constants()

        def walk(pick: Any) -> Mapping[str, Any]:
            def value(name: str, axis: Any) -> Any:
                return constants[name] if name in constants else axis.decode(pick(name))

            return space.draw(value)

        return by_rule(columns, walk)

    def drawn(self, columns: Columns, rng: np.random.Generator) -> dict[str, Any]:
        """A point at random."""
        units: Array = columns.draws(rng, 1)
        absent = self.absent(columns)
        if absent is not None:
            units[absent(units)] = np.nan
        return columns.params(units[0])

    def _check_objectives(self, study: optuna.Study) -> None:
        if len(study.directions) > 1 and not self.several_goals:
            raise ValueError(
                f"{type(self).__name__} searches for one objective, and this study has "
                f"{len(study.directions)}; take RungTPESampler or RungNSGAIISampler for several"
            )


def _others(trials: list[FrozenTrial], number: int) -> list[FrozenTrial]:
    """The trials without that of a number, which stands at its place as a rule."""
    if number < len(trials) and trials[number].number == number:
        return trials[:number] + trials[number + 1 :]
    return [trial for trial in trials if trial.number != number]

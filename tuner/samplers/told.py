"""What an Optuna study was told, as curves: RUNNING, PRUNED and COMPLETE trials alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.curve_model.curves import Curve

TOLD = (TrialState.RUNNING, TrialState.PRUNED, TrialState.COMPLETE)
VIOLATION = "violation"
"""The attribute of a study's running trial that says by how much it violates its constraints."""
FLOOR, FLOOR_FIRST = 20, 10
"""Values that a rung must have to be looked at, and those of the first one."""


def last_step(trials: Sequence[FrozenTrial]) -> int:
    """The highest step that any trial reported; 1 where none did."""
    return max((max(t.intermediate_values, default=1) for t in trials), default=1) or 1


def last_of_each(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The trials by number, of several attempts the last."""
    return {_number(trial): trial for trial in trials if trial.state in TOLD}


class Reader:
    """Reads trials as curves. Those that it has read already it does not read again.

    Optuna's storages replace a trial's object whenever it changes: the same object is unchanged.
    """

    def __init__(self) -> None:
        self._trials: list[FrozenTrial] = []
        self._curves: list[Curve | None] = []
        self._setting: tuple[object, ...] = ()

    def curves(
        self, trials: Sequence[FrozenTrial], rungs: Sequence[int], direction: StudyDirection
    ) -> tuple[list[Curve], dict[int, FrozenTrial]]:
        """The curves of the trials by age, and the trials by the curves' numbers.

        An attempt counts as the trial that it is one of. One that violates a constraint counts as
        one that diverged. A
        rung is judged by the first report at or past it, the last also by a COMPLETE trial's value.
        """
        setting = (direction, *rungs)
        if setting != self._setting:
            self._trials, self._curves, self._setting = [], [], setting
        sign = -1.0 if direction is StudyDirection.MAXIMIZE else 1.0
        known = len(self._trials)
        changed = [
            at for at, (a, b) in enumerate(zip(trials, self._trials, strict=False)) if a is not b
        ]
        self._trials = list(trials)
        self._curves = self._curves[: len(trials)] + [None] * (len(trials) - known)
        for at in (*changed, *range(known, len(trials))):
            trial = trials[at]
            self._curves[at] = _curve(trial, rungs, sign) if trial.state in TOLD else None
        curve_of = {curve.trial: curve for curve in self._curves if curve is not None}
        by_number = {
            curve.trial: trial
            for curve, trial in zip(self._curves, trials, strict=True)
            if curve is not None
        }
        return [curve_of[number] for number in sorted(curve_of)], by_number


def _curve(trial: FrozenTrial, rungs: Sequence[int], sign: float) -> Curve:
    lost = violation(trial) > 0
    losses = {} if lost else _losses(trial, rungs, sign)
    return Curve(_number(trial), trial.params, losses, lost)


def _number(trial: FrozenTrial) -> int:
    number: int = trial.user_attrs.get("trial", trial.number)
    return number


def violation(trial: FrozenTrial) -> float:
    """How far a trial is from keeping all constraints; one that runs, as it last said."""
    told = sum(value for value in trial.constraints.values() if value > 0)
    if trial.state is TrialState.RUNNING:
        told += float(trial.user_attrs.get(VIOLATION, 0.0))
    return told


def _losses(trial: FrozenTrial, rungs: Sequence[int], sign: float) -> dict[int, float]:
    reports = trial.intermediate_values
    deepest = max(reports, default=0)
    losses = {}
    for rung in rungs:
        if rung > deepest:
            break
        value = reports.get(rung)
        if value is None:
            value = reports[min(step for step in reports if step >= rung)]
        if not math.isnan(value):
            losses[rung] = sign * value
    if trial.state is TrialState.COMPLETE and rungs[-1] not in losses and trial.value is not None:
        losses[rungs[-1]] = sign * trial.value
    return losses


def rung_view(curves: Sequence[Curve], rungs: Sequence[int]) -> Mapping[int, float]:
    """Losses by trial at the highest rung that has enough of them; empty where none has.

    As BOHB's model sees a study (Falkner et al., ICML 2018, section 4.1). Diverged trials have the
    worst loss of those seen.
    """
    for rung in reversed(rungs):
        seen = {curve.trial: curve.losses[rung] for curve in curves if rung in curve.losses}
        if len(seen) >= (FLOOR_FIRST if rung == rungs[0] else FLOOR):
            worst = max(seen.values())
            lost = {curve.trial: worst for curve in curves if curve.diverged}
            return dict(sorted((seen | lost).items()))
    return {}

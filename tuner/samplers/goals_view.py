"""What an Optuna study of several goals was told: the values of each trial at one rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.told import FLOOR, FLOOR_FIRST, violation

GOALS = "goals:"
"""Before a step, the attribute of a trial of ours that holds the values of all goals there."""

View = dict[int, tuple[list[float], float]]
"""Values and violation by trial."""


def goals_view(
    trials: Mapping[int, FrozenTrial],
    rungs: Sequence[int],
    directions: Sequence[StudyDirection],
) -> View:
    """The trials' values at the highest rung that has enough of them, by age; empty where none has.

    One that has not come so far, since others were better, has the worst values of all: at a rung
    are good ones only, and nothing there says what makes a trial bad. One that diverged has them
    too, and violates most. A COMPLETE trial of another study than ours counts at the last rung.
    """
    by_step = {number: _by_step(trial, rungs[-1]) for number, trial in trials.items()}
    for rung in reversed(rungs):
        seen = {
            number: (values, violation(trials[number]))
            for number, steps in by_step.items()
            if (values := _at(steps, rung)) is not None
        }
        if len(seen) >= (FLOOR_FIRST if rung == rungs[0] else FLOOR):
            worst = _worst(seen, directions)
            behind = {
                number: (worst, violation(trials[number]))
                for number, steps in by_step.items()
                if steps and number not in seen
            }
            return dict(sorted((seen | behind | _lost(trials, seen, worst)).items()))
    return {}


def _by_step(trial: FrozenTrial, last: int) -> dict[int, list[float]]:
    steps = {
        int(name.removeprefix(GOALS)): values
        for name, values in trial.user_attrs.items()
        if name.startswith(GOALS)
    }
    if not steps and trial.state is TrialState.COMPLETE:
        steps = {last: list(trial.values)}
    return steps


def _at(steps: Mapping[int, list[float]], rung: int) -> list[float] | None:
    """The values of the first step at or past a rung."""
    reached = [step for step in steps if step >= rung]
    return steps[min(reached)] if reached else None


def _worst(seen: View, directions: Sequence[StudyDirection]) -> list[float]:
    """The worst value of each goal."""
    values = np.array([values for values, _ in seen.values()])
    minimize = [one is not StudyDirection.MAXIMIZE for one in directions]
    worst: list[float] = np.where(minimize, values.max(axis=0), values.min(axis=0)).tolist()
    return worst


def _lost(trials: Mapping[int, FrozenTrial], seen: View, worst: list[float]) -> View:
    """The trials that diverged."""
    most = max(violation for _, violation in seen.values()) + 1.0
    return {
        number: (worst, most)
        for number, trial in trials.items()
        if trial.constraints.get("diverged", 0.0) > 0
    }

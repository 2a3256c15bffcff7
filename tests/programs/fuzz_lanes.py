"""Random pairs of trainings in lanes and by plain `fit`: equal numbers, whoever shares lanes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any

import numpy as np

from tests.programs import recipes
from tests.programs.recipes import ROWS, STEEP, Recipe, targets
from tuner.data.splits import Data, Part
from tuner.experiment.experiment import KerasModel
from tuner.lanes.lane import pool_of
from tuner.lanes.lanes import Lanes
from tuner.lanes.rules import form, why_not
from tuner.programs.fit import plain
from tuner.training.declared import build_model
from tuner.training.fit import train_model
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial

EPOCHS = 2
LAST_DIGITS, STEEP_DIGITS = 1e-9, 1e-3
DECLARED = KerasModel(
    build=lambda trial: recipes.network(trial["recipe"]),
    optimizer=lambda trial: recipes.optimizer(trial["recipe"]),
    loss=lambda trial: recipes.loss(trial["recipe"]),
    metrics=("mae",),
    batch_size=lambda params: params["recipe"]["batch_size"],
)


def trial_of(recipe: Recipe, number: int) -> Trial:
    """A trial of a recipe, of what it has that lanes know: no callback, weights or second fit."""
    x, y = targets(recipe)
    parts = Part(x, y, np.arange(ROWS)), Part(x, y, np.arange(ROWS, len(x)))
    cell = Cell(number, 1, 0, {"recipe": recipe}, 50 + number, EPOCHS)
    return Trial(cell, lambda *report: Decision.CONTINUE, lambda: Data(*parts, None))


def compare_in_lanes(pair: tuple[Recipe, Recipe], where: str) -> Counter[str]:
    """What became of two trainings in lanes. Raises AssertionError where they are unequal."""
    found: Counter[str] = Counter()
    groups: dict[Hashable, list[Trial]] = {}
    for number, recipe in enumerate(pair):
        trial = trial_of(recipe, number)
        try:
            model = build_model(DECLARED, trial)
        except Exception as error:  # noqa: BLE001  # as by fit, which is compared elsewhere
            found[f"not built: {type(error).__name__}"] += 1
            continue
        reason = why_not(DECLARED, trial, model)
        if reason is not None:
            found[f"no lanes: {reason}"] += 1
            continue
        shared = (form(DECLARED, trial, model), recipe["batch_size"], targets(recipe)[1].ndim)
        groups.setdefault(shared, []).append(trial)
    for trials in groups.values():
        try:
            far = _distance(trials)
        except Exception as error:  # noqa: BLE001  # as a worker does, which then trains by fit
            found[f"no lanes: they raised {type(error).__name__}"] += len(trials)
            continue
        steep = any(trial["recipe"]["optimizer"] in STEEP for trial in trials)
        assert far <= (STEEP_DIGITS if steep else LAST_DIGITS), f"{where}: lanes differ by {far}"
        found["in lanes of its own" if len(trials) == 1 else "in shared lanes"] += len(trials)
    return found


def _distance(trials: list[Trial]) -> float:
    """By how much trainings in the lanes of the first one differ from plain fits."""
    x, y = targets(trials[0]["recipe"])
    rows = [np.arange(*ends, dtype=np.int32) for ends in ((ROWS,), (ROWS, len(x)))]
    lanes = Lanes(DECLARED, trials[0], pool_of(DECLARED, x, y, None), len(trials))
    for lane, trial in enumerate(trials):
        lanes.put(lane, trial, *rows)
    reports = [lanes.epoch() for _ in range(EPOCHS)]
    far = 0.0
    for lane, trial in enumerate(trials):
        with plain():
            model = train_model(DECLARED, trial)
        weights, others = lanes.program.weights(lane)
        mine: list[Any] = [*weights, *others]
        theirs: list[Any] = [*model.trainable_variables, *model.non_trainable_variables]
        for epoch, (_, metrics, _) in enumerate(trial.reports):
            mine.append([reports[epoch][lane][name] for name in metrics])
            theirs.append(list(metrics.values()))
        for one, other in zip(mine, theirs, strict=True):
            apart = np.abs(np.asarray(one, "float64") - np.asarray(other, "float64"))
            far = max(far, float(np.nan_to_num(apart.max(initial=0.0), nan=np.inf)))
    return far

"""Which experiments the fused engine can carry, with which gain, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.settle import cells_per_trial
from tuner.registry import said
from tuner.samplers.registry import GRID
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace
from tuner.trial.cells import Cell

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset


LANES = 6
"""Lanes of a worker: more gain little on a CPU, and each costs what it works when it is empty."""


GPU_LANES = 32
"""Of one that has a GPU, which a small network leaves idle far more. Not measured yet."""


FEWEST = 3
"""With fewer trainings in all, most lanes would stand empty, and cost what full ones do."""


MOST_GROUPS = 4
"""For how many batch sizes a worker holds cells, to fill its lanes with those of one."""


LONG_EPOCHS = 10_000
"""Samples from which on a CPU an epoch of a lane takes no less than one of a program by itself:
with 1,400 lanes take .78 of the time, with 40,000 1.1 of it (24 trainings, cross-validated)."""


def why_not(experiment: Experiment, dataset: Dataset | None) -> str | None:
    """Why an experiment cannot be trained in lanes, as far as can be told without Keras."""
    if not isinstance(experiment.objective, KerasModel):
        return "its training is a function, not a declared KerasModel"
    if experiment.objective.callbacks is not None:
        return "it has callbacks of its own"
    if experiment.isolate:
        return "each trial is to have a process of its own"
    if experiment.fit == "plain":
        return "fit 'plain' was asked for"
    return "it has no dataset" if dataset is None else None


def no_gain(experiment: Experiment, dataset: Dataset | None = None) -> str | None:
    """Why lanes would gain nothing, where they could train the experiment."""
    if batch_sizes(experiment) > 1 and experiment.sampler != GRID:
        return "batch_size is searched, so that few trials would train together"
    if not experiment.gpus_per_trial and experiment.lanes is None:
        if said(experiment.scheduler) != "none":
            return "its scheduler ends most trials early, and their lanes would stand empty"
        if dataset is not None and len(dataset.x_train) > LONG_EPOCHS:
            return f"epochs of {len(dataset.x_train)} samples are as fast one by one"
    cells = total_cells(experiment)
    return f"{cells} trainings do not fill the lanes" if cells < FEWEST else None


def total_cells(experiment: Experiment) -> int:
    """How many cells an experiment has in all, its trials run once each."""
    points = experiment.trials
    if experiment.sampler == GRID:
        points = len(grid_points(SearchSpace(experiment.space)))
    return points * cells_per_trial(experiment)


def lanes_of(experiment: Experiment) -> int:
    """How many lanes a worker has: a function of the experiment alone, so that results are."""
    most = GPU_LANES if experiment.gpus_per_trial else LANES
    return experiment.lanes or min(most, total_cells(experiment))


def batch_sizes(experiment: Experiment) -> int:
    """How many batch sizes an experiment's trials may have, at least."""
    axis = experiment.space.get("batch_size")
    if axis is None or isinstance(axis, Constant):
        return 1
    if isinstance(axis, Categorical):
        return len(axis.choices)
    return len(axis.grid) if axis.grid else MOST_GROUPS


def some_cells(experiment: Experiment, count: int) -> list[Cell]:
    """Cells that belong to no trial: one at the low end of every axis, the others anywhere."""
    random = np.random.default_rng(0)

    def low(name: str, axis: Any) -> Any:
        if isinstance(axis, Constant):
            return axis.value
        return axis.choices[0] if isinstance(axis, Categorical) else axis.find(axis.low)

    def anywhere(name: str, axis: Any) -> Any:
        if isinstance(axis, Categorical):
            return axis.choices[int(random.integers(len(axis.choices)))]
        if isinstance(axis, Int):
            return int(random.integers(axis.low, axis.high + 1))
        return random.uniform(axis.low, axis.high) if isinstance(axis, Float) else axis.value

    space = SearchSpace(experiment.space)
    points = [space.draw(low), *(space.draw(anywhere) for _ in range(count - 1))]
    return [Cell(trial=0, attempt=0, fold=0, params=p, seed=0, epochs=1) for p in points]

"""From what the user typed to the experiment that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.data.datasets import check_source
from tuner.data.splits import Splits
from tuner.errors import ExperimentError
from tuner.experiment.experiment import GRID, Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.loading import load as load_experiment
from tuner.experiment.settle import cells_per_trial, epochs_are_budget, last_epoch, settle
from tuner.schedulers.registry import make_scheduler
from tuner.search_space.axes import Int
from tuner.search_space.grid import cost_note, grid_points
from tuner.search_space.space import SearchSpace


def headline(settled: Experiment, path: Path) -> str:
    """One line that says what runs, and how epochs are spent."""
    space = SearchSpace(settled.space)
    epochs = ""
    if epochs_are_budget(settled) and "epochs" in space:
        epochs = f"; epochs are the budget, {last_epoch(settled, space.constants())} at most"
    elif isinstance(space.get("epochs"), Int):
        epochs = "; epochs is a parameter"
    data = "its own data" if callable(settled.dataset) else settled.dataset or "no data"
    judged = ", judged on the test set" if settled.validation == "test" else ""
    cells = cells_per_trial(settled)
    points = f"{settled.trials} trials"
    if settled.sampler == GRID:
        points = f"{len(grid_points(space))} grid points"
    if cells > 1:
        points += f" on {cells} folds"
    return (
        f"{path.name}: {points}, {settled.sampler} + {settled.scheduler}, seed "
        f"{settled.seed}, {data}{judged}{epochs}"
    )


def notes(settled: Experiment) -> list[str]:
    """What is to be said of the space before a run: axes that are not quite as declared, costs."""
    space = SearchSpace(settled.space)
    said = space.notes()
    if settled.sampler == GRID:
        cost = cost_note(len(grid_points(space)), cells_per_trial(settled))
        said += [] if cost is None else [cost]
    return said


def _loaded(experiment: str | Experiment, overrides: Mapping[str, Any]) -> Loaded:
    if isinstance(experiment, Experiment):
        return Loaded(experiment, Source("object", experiment.objective.__module__))
    loaded = load_experiment(experiment)
    if loaded.data is not None and "dataset" not in overrides:
        return replace(loaded, experiment=replace(loaded.experiment, dataset=loaded.data))
    return loaded


def _absolute_data(dataset: Any) -> dict[str, str]:
    """The path of an .npz made absolute: a resumed run may start from another folder."""
    if isinstance(dataset, str) and dataset.endswith(".npz"):
        return {"dataset": str(Path(dataset).expanduser().resolve())}
    return {}


def _settle(experiment: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    unknown = sorted(overrides.keys() - vars(experiment).keys())
    if unknown:
        raise ExperimentError(f"an Experiment has no field {', '.join(unknown)}")
    settled = settle(experiment, overrides)
    if settled.dataset is not None:
        check_source(settled.dataset)
    make_scheduler(settled)  # either refuses here, before anything has begun
    if settled.sampler == GRID:
        grid_points(SearchSpace(settled.space))
    return settled


def _resources(settled: Experiment) -> tuple[int | None, float, float, float | None]:
    return (
        settled.concurrency,
        settled.cpus_per_trial,
        settled.gpus_per_trial,
        settled.memory_per_trial,
    )


def _splits(settled: Experiment) -> Splits:
    return Splits(
        mode=settled.mode,
        validation=settled.validation,
        folds=settled.folds,
        repeats=settled.repeats,
        shuffle=settled.shuffle,
        seed=settled.seed,
    )

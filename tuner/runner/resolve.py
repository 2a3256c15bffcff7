"""From what the user typed to the experiment that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tuner.data.datasets import Dataset, check_source
from tuner.data.splits import cell_rows
from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.loading import load as load_experiment
from tuner.experiment.settle import (
    SEVERAL,
    cells_per_trial,
    epochs_are_budget,
    last_epoch,
    scheduler_of,
    settle,
    splits_of,
)
from tuner.registry import ENGINES, said
from tuner.samplers.registry import GRID
from tuner.search_space.axes import Int, nearest
from tuner.search_space.grid import cost_note, grid_points
from tuner.search_space.space import SearchSpace

OF_OTHERS = {
    word: ours
    for ours, words in {
        "trials": "num_samples n_trials n_iter max_trials",
        "concurrency": "max_concurrent_trials n_jobs",
        "sampler": "search_alg tuner",
        "scheduler": "pruner",
        "time_limit": "time_budget_s timeout",
        "space": "config param_space param_distributions param_grid",
        "epochs": "max_epochs max_t max_resource",
        "min_epochs": "grace_period min_resource",
        "eta": "reduction_factor factor",
        "folds": "cv n_splits",
        "repeats": "executions_per_trial n_repeats",
        "seed": "random_state",
        "cpus_per_trial": "resources_per_trial",
        "results": "local_dir storage_path directory",
    }.items()
    for word in words.split()
}
"""What Ray Tune, Optuna, scikit-learn and KerasTuner call what we call otherwise."""

DEFAULT_BECAUSE = (
    "rung_gp, the default: one model of all trials' learning curves proposes points and picks who "
    "goes on, so that short trainings tell which long ones are worth it"
)
"""What benchmarks.default_search compares with other searches."""


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
        f"{path.name}: {points}, {said(settled.sampler)} + {said(settled.scheduler)}, seed "
        f"{settled.seed}, {data}{judged}{epochs}"
    )


def notes(settled: Experiment) -> list[str]:
    """What is to be said of the space before a run: axes that are not quite as declared, costs."""
    space = SearchSpace(settled.space)
    said = space.notes()
    if (settled.sampler, settled.scheduler) == ("rung_gp", "rung_gp"):
        said.insert(0, DEFAULT_BECAUSE)
    if len(settled.goals) > 1:
        said.insert(0, _goals_note(settled))
    if settled.sampler == GRID:
        cost = cost_note(len(grid_points(space)), cells_per_trial(settled))
        said += [] if cost is None else [cost]
    return said


def _goals_note(settled: Experiment) -> str:
    """What several goals are searched with."""
    goals = " and ".join(f"{goal.direction} {goal.metric}" for goal in settled.goals)
    how = f"{said(settled.sampler)} + {said(settled.scheduler)}"
    default = how == " + ".join(SEVERAL.values())
    because = ", the default for several goals: rung_gp knows one" if default else ""
    return f"{len(settled.goals)} goals, {goals}: {how}{because}"


def load_asked(experiment: str | Experiment, overrides: Mapping[str, Any]) -> Loaded:
    """The experiment that was asked for, with the data that its file makes."""
    if isinstance(experiment, Experiment):
        made = experiment.objective
        code = made.build if isinstance(made, KerasModel) else made
        where = getattr(code, "__module__", None) or type(code).__module__
        return Loaded(experiment, Source("object", where))
    if not isinstance(experiment, str):
        raise ExperimentError(
            f"{experiment!r:.200} is neither an Experiment, a name nor a function",
            field="experiment",
            way_out="name the function without calling it: tuner.run(train, ...)",
        )
    loaded = load_experiment(experiment)
    if loaded.data is not None and "dataset" not in overrides:
        return replace(loaded, experiment=replace(loaded.experiment, dataset=loaded.data))
    return loaded


def absolute_data(dataset: Any) -> dict[str, str]:
    """The path of an .npz made absolute: a resumed run may start from another folder."""
    if isinstance(dataset, str) and dataset.endswith(".npz"):
        return {"dataset": str(Path(dataset).expanduser().resolve())}
    return {}


def check_fields(given: Mapping[str, Any]) -> None:
    """Raises ExperimentError for names that no field of an Experiment has."""
    known = [field.name for field in fields(Experiment)]
    unknown = sorted(given.keys() - set(known))
    if unknown:
        meant = OF_OTHERS.get(unknown[0]) or nearest(unknown[0], known)
        raise ExperimentError(
            "an Experiment has no such field",
            field=unknown[0],
            way_out=f"did you mean {meant!r}?" if meant else "drop it",
        )


def settle_new(experiment: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    """The experiment that a new study runs, with all refused that can be before it begins."""
    check_fields(overrides)
    settled = settle(experiment, overrides)
    if settled.dataset is not None:
        check_source(settled.dataset)
    scheduler_of(settled)  # refuses here, before anything has begun
    if isinstance(settled.engine, str) and settled.engine not in ("auto", *ENGINES.ours):
        ENGINES.find(settled.engine)
    if settled.sampler == GRID:
        grid_points(SearchSpace(settled.space))
    return settled


def resources_of(settled: Experiment) -> tuple[int | None, float, float, float | None]:
    """What Ray is asked for: trials at a time, and CPUs, GPUs and MB of memory a trial."""
    return (
        settled.concurrency,
        settled.cpus_per_trial,
        settled.gpus_per_trial,
        settled.memory_per_trial,
    )


def check_data(settled: Experiment, dataset: Dataset | None) -> None:
    """Raises DatasetError for data that cannot be split as asked, before a worker finds out."""
    if dataset is not None:
        cell_rows(dataset, splits_of(settled))

"""The experiment that a study runs: overrides applied, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.curve_model.sources import NOTHING, Learned
from tuner.data.splits import Splits
from tuner.errors import ExperimentError
from tuner.experiment.epochs import with_epochs
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.population import has_population, with_population
from tuner.experiment.words import CONVERGED, ONE_SE
from tuner.options import options_of
from tuner.samplers.registry import GRID
from tuner.schedulers.contract import Scheduler
from tuner.schedulers.registry import make_scheduler
from tuner.search_space.axes import Categorical, Int
from tuner.search_space.points import points_within
from tuner.search_space.space import SearchSpace

USUAL = {one.name: one.default for one, _ in options_of(Experiment)}
SEVERAL = {"sampler": "random", "scheduler": "asha"}
"""What stands for the default sampler and scheduler, which know one goal, where there are more."""


def settle(experiment: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    """The experiment that a study runs: overrides applied, sampler, scheduler and epochs settled.

    Grid and CV run every point of the grid without a scheduler, and learn from nobody, unless
    `overrides` names a sampler, a scheduler, or whom to learn from. Under a scheduler that stops
    trials, `epochs` is the budget and no parameter.
    """
    if "space" in overrides and "first" not in overrides:
        overrides = {**overrides, "first": points_within(experiment.first, overrides["space"])}
    changed = replace(experiment, **overrides)
    if changed.mode != "search":
        changed = replace(
            changed,
            sampler=overrides.get("sampler", GRID),
            scheduler=overrides.get("scheduler", "none"),
            learn_from=overrides.get("learn_from"),
        )
    goals = changed.goals
    directions = [goal.direction for goal in goals]
    changed = replace(changed, direction=directions if len(goals) > 1 else directions[0])
    if len(goals) > 1:
        changed = _with_others_than_usual(changed, overrides)
    _check_together(changed)
    _check_read(changed, overrides)
    if has_population(changed):
        changed = with_population(changed, overrides, USUAL["sampler"])
    changed = with_end(changed)
    value = changed.value or ("best" if changed.mode == "search" else "last")
    axes = SearchSpace(changed.space)
    space = with_epochs(axes, changed.epochs, are_budget=epochs_are_budget(changed))
    first = points_within(changed.first, space)
    return replace(changed, space=space, first=first, value=value)


def _with_others_than_usual(experiment: Experiment, overrides: Mapping[str, Any]) -> Experiment:
    """With a sampler and scheduler that know several goals, where nobody has named others."""
    instead: dict[str, Any] = {
        name: value
        for name, value in SEVERAL.items()
        if name not in overrides and getattr(experiment, name) == USUAL[name]
    }
    return replace(experiment, **instead)


def _check_together(experiment: Experiment) -> None:
    """Raises ExperimentError for fields that do not go together."""
    if experiment.mode == "cv" and experiment.dataset is None:
        raise ExperimentError(
            f"{experiment.name} has no dataset to split into folds",
            field="dataset",
            way_out="name one, or take another `mode`",
        )
    if experiment.mode == "cv" and experiment.repeats > 1 and not experiment.shuffle:
        raise ExperimentError(
            f"{experiment.repeats} repeats without shuffling would be the same folds again",
            field="repeats",
            way_out="add `shuffle`",
        )
    if experiment.engine == "ray_tune" and experiment.lanes is not None:
        raise ExperimentError(
            f"{experiment.lanes} lanes belong to the fused engine",
            field="lanes",
            way_out="drop them, or the `engine` ray_tune",
        )
    if experiment.fold_racing != "none" and len(experiment.goals) > 1:
        raise ExperimentError(
            f"{experiment.fold_racing!r} compares trials by one metric, and "
            f"{len(experiment.goals)} are searched",
            field="fold_racing",
            way_out="drop it, or search one",
        )
    if experiment.learn_from and cells_per_trial(experiment) > 1:
        raise ExperimentError(
            "a trial of several folds or repeats is judged by its folds, and earlier studies' "
            "values are by epoch",
            field="learn_from",
            way_out="drop it, or the folds and `repeats`",
        )
    if experiment.mode == "search" and experiment.sampler == GRID:
        raise ExperimentError(
            "'grid' belongs to `mode` grid or cv", field="sampler", way_out="name another"
        )
    if experiment.mode == "grid" and experiment.sampler != GRID:
        raise ExperimentError(
            f"mode 'grid' runs every point, so {experiment.sampler!r} has nothing to propose",
            field="sampler",
            way_out="drop it, or take `mode` search or cv",
        )


def with_end(experiment: Experiment) -> Experiment:
    """The experiment with as many weights kept as its end, which a resume may change, asks for.

    Raises ExperimentError where it cannot end so, or its best cannot be chosen so.
    """
    if experiment.stop == CONVERGED:
        _check_converges(experiment)
    _check_best(experiment)
    if experiment.keep_models and experiment.confirm > experiment.keep_models:
        return replace(experiment, keep_models=experiment.confirm)  # any of them may be the best
    return experiment


def _check_converges(experiment: Experiment) -> None:
    """Raises ExperimentError where nobody can say what more trials would gain."""
    if experiment.mode != "search":
        instead = "or drop it" if experiment.mode == "grid" else "or save folds by `fold_racing`"
        raise ExperimentError(
            f"{experiment.stop!r} asks what more trials of a search would gain, and mode "
            f"{experiment.mode!r} runs the points that it was given",
            field="stop",
            way_out=f"take `mode` search, {instead}",
        )
    if len(experiment.goals) > 1:
        raise ExperimentError(
            f"{experiment.stop!r} knows the gain of one metric, and {len(experiment.goals)} are "
            "searched",
            field="stop",
            way_out="search one, or end by `trials` or `time_limit`",
        )


def _check_best(experiment: Experiment) -> None:
    """Raises ExperimentError where the rule by which the best is chosen does not hold."""
    if experiment.choose == ONE_SE:
        _check_one_se(experiment)
    elif experiment.simplest is not None:
        raise ExperimentError(
            f"{experiment.simplest!r} tells who is the simplest of equals, and `choose` is "
            f"{experiment.choose!r}",
            field="simplest",
            way_out="drop it, or `choose` one_se",
        )
    asked = experiment.confirm
    if asked and len(experiment.goals) > 1:
        raise ExperimentError(
            f"{asked} would be compared by their means, and {len(experiment.goals)} metrics are "
            "searched",
            field="confirm",
            way_out="drop it, or search one",
        )
    if experiment.mode == "search" and asked > experiment.trials:
        raise ExperimentError(
            f"{asked} are more than the {experiment.trials} trials that there are to be",
            field="confirm",
            way_out=f"confirm {experiment.trials} or fewer, or ask for more `trials`",
        )


def _check_one_se(experiment: Experiment) -> None:
    if cells_per_trial(experiment) < 2:
        raise ExperimentError(
            f"{ONE_SE!r} takes the error over a trial's folds or repeats, and it has one training",
            field="choose",
            way_out="take `mode` cv, or `repeats`",
        )
    if len(experiment.goals) > 1:
        raise ExperimentError(
            f"{ONE_SE!r} knows one metric, and {len(experiment.goals)} are searched",
            field="choose",
            way_out="drop it, or search one",
        )
    if experiment.confirm:
        raise ExperimentError(
            f"{ONE_SE!r} takes the simplest of equals, and `confirm` the best mean",
            field="choose",
            way_out="drop one of them",
        )
    axis = SearchSpace(experiment.space).get((experiment.simplest or "").removeprefix("-"))
    if isinstance(axis, Categorical) and not all(
        isinstance(choice, int | float) for choice in axis.choices if choice is not None
    ):
        raise ExperimentError(
            f"{experiment.simplest!r} has choices that are not numbers, and so no order",
            field="simplest",
            way_out="name another parameter, or a metric",
        )


def _check_read(experiment: Experiment, overrides: Mapping[str, Any]) -> None:
    """Raises ExperimentError for an option that was typed and that nothing will read."""
    readers = {
        "members": (has_population(experiment), "`scheduler` pbt"),
        "interval": (has_population(experiment), "`scheduler` pbt"),
        "explore": (has_population(experiment), "`scheduler` pbt"),
        "min_gain": (experiment.stop == CONVERGED, "`stop` converged"),
        "confirm_seeds": (experiment.confirm > 0, "`confirm`"),
    }
    for name, (read, reader) in readers.items():
        value = getattr(experiment, name)
        if name in overrides and value != USUAL[name] and not read:
            raise ExperimentError(
                f"{value!r} would be read by {reader} alone",
                field=name,
                way_out=f"add {reader}, or drop it",
            )


def epochs_are_budget(experiment: Experiment) -> bool:
    """Whether the axis `epochs` is the most a trial may get, and not a parameter to search."""
    return (
        experiment.mode != "grid"
        and experiment.scheduler != "none"
        and not experiment.sample_epochs
    )


def cells_per_trial(experiment: Experiment) -> int:
    """How many cells a trial has: one a repeat; in a cross-validation one a repeat and fold."""
    return experiment.repeats * (experiment.folds if experiment.mode == "cv" else 1)


def splits_of(settled: Experiment) -> Splits:
    """How the study splits its data."""
    return Splits(
        mode=settled.mode,
        validation=settled.validation,
        folds=settled.folds,
        repeats=settled.repeats,
        shuffle=settled.shuffle,
        seed=settled.seed,
    )


def last_epoch(experiment: Experiment, params: Mapping[str, Any]) -> int | None:
    """The epoch at which a trial with these parameters ends; None where nothing says."""
    model = experiment.objective
    if isinstance(model, KerasModel) and model.epochs is not None:
        return model.epochs(params) if callable(model.epochs) else model.epochs
    declared = params.get("epochs", experiment.epochs)
    return None if declared is None else int(declared)


def most_epochs(experiment: Experiment) -> int | None:
    """The most epochs that any trial may train; None where nothing says."""
    model = experiment.objective
    if isinstance(model, KerasModel) and callable(model.epochs):
        return experiment.epochs  # each point has a number of its own
    space = SearchSpace(experiment.space)
    axis = space.get("epochs")
    if isinstance(axis, Int):
        return axis.high
    if isinstance(axis, Categorical):
        return max(int(choice) for choice in axis.choices if choice is not None)
    return last_epoch(experiment, space.constants())


def scheduler_of(experiment: Experiment, learned: Learned = NOTHING) -> Scheduler:
    """The scheduler of a settled experiment. Raises ExperimentError where it can't work there.

    `learned` are the trials of earlier studies, for one that makes use of them.
    """
    options: dict[str, Any] = {
        "eta": experiment.eta,
        "min_epochs": experiment.min_epochs,
        "members": experiment.members,
        "interval": experiment.interval,
        "explore": experiment.explore,
        "seed": experiment.seed,
        "space": SearchSpace(experiment.space),
        "learned": learned,
    }
    goals = len(experiment.goals)
    return make_scheduler(experiment.scheduler, options, most_epochs(experiment), goals)

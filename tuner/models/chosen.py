"""What a refit trains: which experiment, which trial's point, from which seed, to which epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.errors import ExperimentError, SearchSpaceError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded
from tuner.experiment.loading import load as load_experiment
from tuner.results.results import Results
from tuner.search_space.space import SearchSpace
from tuner.store.study_json import FUNCTION, StudyFile


def settled_experiment(study: StudyFile, given: Experiment | None, data: str | None) -> Experiment:
    """The experiment that the study ran, with its fields and space as stored."""
    source = study.source
    if given is not None:
        loaded = Loaded(given, source)
    elif source.kind == "object":
        raise ExperimentError(
            f"the study's experiment was made in memory by {source.where}; call "
            "tuner.models.refit.refit(path, experiment=...) there"
        )
    else:
        file = source.kind == "file"
        loaded = load_experiment(source.where if file else f"{source.where}:{source.attribute}")
    stored = study.experiment.without_code()
    if stored["dataset"] == FUNCTION:
        stored["dataset"] = loaded.data or loaded.experiment.dataset
    if data is not None:
        stored["dataset"] = data
    declared = SearchSpace(loaded.experiment.space)
    return replace(loaded.experiment, **stored, space=study.settled_space(like=declared))


def trial_number(results: Results, trial: int | None) -> int:
    """The trial that is named, else the best one. Raises StudyError where none has a value."""
    if trial is not None:
        return trial
    if results.best is None:
        raise StudyError(
            f"no trial of {results.path} has a value to choose it by",
            field="trial",
            way_out="name one",
        )
    return int(results.best["trial"])


def point_of(
    results: Results, number: int, changed: Mapping[str, Any], epochs: int | None
) -> dict[str, Any]:
    """A trial's parameters with those `changed`, and with `epochs` where that is an axis."""
    point = results.params(number)
    for name in changed:
        if name not in point:
            raise SearchSpaceError(
                f"trial {number} has no parameter {name!r}",
                field="params",
                way_out=f"it has: {', '.join(point)}",
            )
    point.update(changed)
    if epochs is not None and "epochs" in point:
        point["epochs"] = epochs
    return point


def seed_of(results: Results, number: int) -> int:
    """The seed of a trial's first fold."""
    row = results.trials[results.trials["trial"] == number].iloc[0]
    return int(row["seed"])


def trained_epochs(results: Results, number: int, limit: int | None) -> int | None:
    """The epoch after which to stop: that of the trial's value, where it is before its last.

    None for a trial that has no value, or was stopped and counts by its last one: it trains all.
    """
    study = results.study.experiment
    row = results.trials[results.trials["trial"] == number].iloc[0]
    chosen_epoch = row.get("best_epoch")
    if chosen_epoch is not None and chosen_epoch == chosen_epoch:  # else null: folds differ in it
        whole = study.value != "best" and row["state"] != "COMPLETE"
        return None if whole or (limit and chosen_epoch >= limit) else int(chosen_epoch)
    reports = results.reports[results.reports["trial"] == number]
    if row["state"] != "COMPLETE" or reports.empty:
        return None
    by_fold = reports.groupby("fold")
    last = by_fold["epoch"].max()
    if study.value == "best":
        values = by_fold[study.metric]
        rows = values.idxmin() if study.direction == "minimize" else values.idxmax()
        chosen = reports.loc[rows, "epoch"]
    else:
        chosen = last
    end = round(chosen.mean())
    return None if end >= (limit or last.max()) else end

"""What is to be trained again: a study's experiment, one of its points, and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuner.data.datasets import Dataset
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import Data, Part, cell_data
from tuner.errors import ExperimentError, SearchSpaceError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, check_trained_here
from tuner.experiment.loading import load as load_experiment
from tuner.experiment.settle import splits_of
from tuner.search_space.space import SearchSpace
from tuner.store.resume_checks import check_dataset
from tuner.store.study_json import FUNCTION, StudyFile
from tuner.store.study_tables import StudyTables
from tuner.trial.cells import Kin, Segment


def read_params(text: str) -> dict[str, Any]:
    """Parameters from a JSON object's text. Raises SearchSpaceError for anything else."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise SearchSpaceError(
            f"{text!r} is not a JSON object", field="params", way_out="such as '{\"x\": 1}'"
        )
    return given


def settled_experiment(study: StudyFile, given: Experiment | None, data: str | None) -> Experiment:
    """The experiment that the study ran, with its fields and space as stored."""
    source = study.source
    if given is None:
        check_trained_here(study.experiment.engine, "can train one again")
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


def trial_number(results: StudyTables, trial: int | None) -> int:
    """The trial that is meant: the best one where none is named."""
    if trial is not None:
        return trial
    if results.best_row is None:
        raise StudyError(
            f"no trial of {results.path} has a value to choose it by",
            field="trial",
            way_out="name one",
        )
    return int(results.best_row["trial"])


def point_of(
    results: StudyTables, number: int, changed: Mapping[str, Any], epochs: int | None
) -> dict[str, Any]:
    """A trial's parameters, some of them changed."""
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


def kin_of(results: StudyTables, number: int) -> Kin | None:
    """What a trial's weights lived through before it began, to be trained again."""
    *before, _ = results.schedule(number).itertuples()
    segments = (
        Segment(int(p.trial), int(p.to_epoch), results.params(int(p.trial)), int(p.seed))
        for p in before
    )
    return Kin(tuple(segments)) if before else None


def check_schedule(params: Mapping[str, Any] | None, epochs: int | None, seed: int | None) -> None:
    """Raises StudyError for what would change a schedule."""
    given = {"params": params or None, "epochs": epochs, "seed": seed}
    changed = next((name for name, value in given.items() if value is not None), None)
    if changed is not None:
        raise StudyError(
            "a schedule is trained as it was",
            field=changed,
            way_out=f"drop `{changed}`, or `schedule`",
        )


def seed_of(results: StudyTables, number: int) -> int:
    """The seed that a trial was trained with."""
    row = results.trials[results.trials["trial"] == number].iloc[0]
    return int(row["seed"])


def trained_epochs(results: StudyTables, number: int, limit: int | None) -> int | None:
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


def dataset_of(results: StudyTables, settled: Experiment) -> Dataset:
    """The study's data, which must be those that it ran on."""
    if settled.dataset is None:
        raise StudyError(f"{settled.name} has none, so it has no model to refit", field="dataset")
    dataset = load_dataset(settled.dataset)
    check_dataset(results.study, dataset)
    return dataset


def all_training_data(dataset: Dataset, settled: Experiment) -> Data:
    """Everything but the test part to train on, with the study's validation part."""
    part = cell_data(dataset, splits_of(settled))
    return replace(part, train=Part(dataset.x_train, dataset.y_train))

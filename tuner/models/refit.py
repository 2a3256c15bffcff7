"""Refit: a study's best point trained on all training data, and evaluated on the test set.

The training gets the whole training part, and the study's validation part once more for
what watches it: `val_*` metrics estimate nothing here. The test part is met for the first time,
unless the study was run with `validation="test"`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.data.datasets import Dataset
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import SEED_LIMIT, Data, Part, Splits, cell_data
from tuner.errors import ExperimentError, SearchSpaceError, StudyError, TunerError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import Loaded
from tuner.experiment.loading import load as load_experiment
from tuner.experiment.settle import last_epoch
from tuner.files import put_bytes
from tuner.models.model_files import MODEL_FILE, import_quietly, save_model
from tuner.models.scores import test_metrics
from tuner.models.trust import Ask, check_trust
from tuner.store.study_tables import StudyTables
from tuner.store.study_tables import read_study
from tuner.search_space.space import SearchSpace
from tuner.store.layout import FILES_FOLDER
from tuner.store.resume_checks import check_dataset
from tuner.store.study_json import FUNCTION, StudyFile, stored_dataset
from tuner.tracebacks import failure_text
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial, TrialStopped

if TYPE_CHECKING:
    import keras

REFIT_FILE = "refit.json"


@dataclass(frozen=True)
class Refit:
    """A point trained on all training data, and how it did on the test set.

    `epochs` is how many it trained. `metrics` holds the test set's `loss` and declared metrics
    (a function's model: neither), `accuracy` for classes, and `r2`: the coefficient of
    determination, for classes that of predicted probabilities against one-hot targets, averaged
    over the classes.
    """

    path: Path
    trial: int
    params: dict[str, Any]
    epochs: int
    seed: int
    metrics: dict[str, float]
    model: keras.Model


def refit(
    path: str | Path,
    *,
    trial: int | None = None,
    params: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    data: str | None = None,
    experiment: Experiment | None = None,
    trust: bool = False,
    ask: Ask | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Refit:
    """Train a study's best trial, or another, on all training data, and write model.keras.

    `params` replaces some of the trial's parameters. It trains to the trial's `best_epoch`, or
    `epochs` many; from the trial's seed, or `seed`. `data` says where the study's dataset lies now.
    A study of an Experiment made in memory needs that `experiment`. The code that the study names
    is run without a question in the current project alone, else with `trust`, or if `ask` says yes.
    `say` is told what happens, line by line.

    Raises StudyError where there is nothing to refit, the training gives no model, raises or
    diverges.
    """
    _check("epochs", epochs, 1)
    _check("seed", seed, 0)
    results = read_study(path)
    if experiment is None:
        check_trust(results.study.source, results.path, trust=trust, ask=ask)
    settled = _settled(results.study, experiment, data)
    number = _trial_number(results, trial)
    point = _point(results, number, params or {}, epochs)
    dataset = _dataset(results, settled)
    cell = Cell(
        trial=number,
        attempt=1,
        fold=0,
        params=point,
        seed=_seed(results, number) if seed is None else seed,
        epochs=epochs or last_epoch(settled, point),
    )
    end = None if epochs else _trained_epochs(results, number, cell.epochs)
    trains = end or cell.epochs
    say(
        f"refit of trial {number} on all {len(dataset.x_train)} training samples"
        + (f", epochs: {trains}" if trains else "")
    )
    work = Trial(
        cell,
        lambda epoch, metrics, time_s: Decision.STOP if epoch == end else Decision.CONTINUE,
        lambda: _all_training_data(dataset, settled),
        results.path.resolve() / FILES_FOLDER / "refit",
    )
    model = _trained(settled, work)
    done = Refit(
        path=results.path,
        trial=number,
        params=point,
        epochs=work.last_epoch,
        seed=cell.seed,
        metrics=test_metrics(settled.objective, work, model, dataset),
        model=model,
    )
    _write(done, results.study, dataset)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in done.metrics.items())
    say(f"test set, {len(dataset.x_test)} samples: {shown}")
    if settled.validation == "test":
        say("the study was judged on this test set, so these figures say little of new data")
    say(f"wrote {results.path / MODEL_FILE} and {results.path / REFIT_FILE}")
    return done


# ------------------------------------------------------------------ what is to be trained


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


def _check(name: str, value: int | None, least: int) -> None:
    if value is not None and not least <= value < SEED_LIMIT:
        raise StudyError(
            f"{value} must be a whole number of at least {least}, below 2**32", field=name
        )


def _settled(study: StudyFile, given: Experiment | None, data: str | None) -> Experiment:
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


def _trial_number(results: StudyTables, trial: int | None) -> int:
    if trial is not None:
        return trial
    if results.best_row is None:
        raise StudyError(
            f"no trial of {results.path} has a value to choose it by",
            field="trial",
            way_out="name one",
        )
    return int(results.best_row["trial"])


def _point(
    results: StudyTables, number: int, changed: Mapping[str, Any], epochs: int | None
) -> dict[str, Any]:
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


def _seed(results: StudyTables, number: int) -> int:
    row = results.trials[results.trials["trial"] == number].iloc[0]
    return int(row["seed"])


def _trained_epochs(results: StudyTables, number: int, limit: int | None) -> int | None:
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


# --------------------------------------------------------------------------- the training


def _dataset(results: StudyTables, settled: Experiment) -> Dataset:
    if settled.dataset is None:
        raise StudyError(f"{settled.name} has none, so there is no model to refit", field="dataset")
    dataset = load_dataset(settled.dataset)
    check_dataset(results.study, dataset)
    return dataset


def _all_training_data(dataset: Dataset, settled: Experiment) -> Data:
    splits = Splits(
        mode=settled.mode,
        validation=settled.validation,
        folds=settled.folds,
        repeats=settled.repeats,
        shuffle=settled.shuffle,
        seed=settled.seed,
    )
    part = cell_data(dataset, splits)
    return replace(part, train=Part(dataset.x_train, dataset.y_train))


def _trained(settled: Experiment, trial: Trial) -> keras.Model:
    import_quietly()
    import keras

    from tuner.training.fit import train_model
    from tuner.training.process import seed_worker
    from tuner.training.run_cell import fits

    declared = settled.objective
    model = None
    try:
        with fits(settled.fit, exact=settled.exact), contextlib.suppress(TrialStopped):
            if isinstance(declared, KerasModel):
                return train_model(declared, trial)
            seed_worker(trial.seed, import_keras=True)
            model = declared(trial)
    except TunerError:
        raise
    except Exception as error:
        text = (str(error).strip() or "no reason was given").splitlines()[0]
        refused = StudyError(
            f"the refit of trial {trial.number} raised {type(error).__name__}: {text}"
        )
        refused.add_note(failure_text(error))
        raise refused from error
    if not isinstance(model, keras.Model):
        raise StudyError(
            f"the training function of {settled.name} returned {type(model).__name__}, not a "
            "Keras model; let it return its model after its reports, or declare a KerasModel"
        )
    return model


# ------------------------------------------------------------------------------- the files


def _write(done: Refit, study: StudyFile, dataset: Dataset) -> None:
    content = {
        "trial": done.trial,
        "params": done.params,
        "epochs": done.epochs,
        "seed": done.seed,
        "metrics": done.metrics,
        "dataset": stored_dataset(dataset).model_dump(),
        "versions": study.versions,
        "created_at": datetime.now(UTC).isoformat(),
    }
    put_bytes(done.path / REFIT_FILE, json.dumps(content, indent=2).encode() + b"\n")
    save_model(done.path, done.model)

"""Refit: a study's best point trained on all training data, and evaluated on the test set.

The training gets the whole training part, and the study's validation part once more for
what watches it: `val_*` metrics estimate nothing here. The test part is met for the first time,
unless the study was run with `validation="test"`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.data.datasets import Dataset
from tuner.data.splits import SEED_LIMIT
from tuner.errors import StudyError, TunerError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.settle import last_epoch
from tuner.experiment.trust import Ask, check_trust
from tuner.files import put_bytes
from tuner.models.chosen import (
    all_training_data,
    check_schedule,
    dataset_of,
    kin_of,
    point_of,
    seed_of,
    settled_experiment,
    trained_epochs,
    trial_number,
)
from tuner.models.model_files import import_quietly, save_model
from tuner.models.scores import test_metrics
from tuner.options import check_whole
from tuner.store.copying import put_back
from tuner.store.layout import FILES_FOLDER, MODEL_FILE, REFIT_FILE
from tuner.store.study_json import StudyFile, stored_dataset
from tuner.store.study_tables import read_study
from tuner.store.uris import is_uri
from tuner.tracebacks import failure_text
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial, TrialStopped

if TYPE_CHECKING:
    import keras


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
    schedule: bool = False,
    experiment: Experiment | None = None,
    trust: bool = False,
    ask: Ask | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Refit:
    """Train a study's best trial, or another, on all training data, and write model.keras, in its
    folder or at its URI.

    `params` replaces some of the trial's parameters. It trains to the trial's `best_epoch`, or
    `epochs` many; from the trial's seed, or `seed`. With `schedule` it lives through what a trial
    of a population did: each part with its own parameters and seed. `data` says where the study's
    dataset lies now.
    A study of an Experiment made in memory needs that `experiment`. The code that the study names
    is run without a question in the current project alone, else with `trust`, or if `ask` says yes.
    `say` is told what happens, line by line.

    Raises ExperimentError for epochs or a seed that there cannot be, and StudyError where there is
    nothing to refit, the training gives no model, raises or diverges.
    """
    for name, given, least in (("epochs", epochs, 1), ("seed", seed, 0)):
        if given is not None:
            check_whole(name, given, least, below=SEED_LIMIT)
    results = read_study(path)
    if experiment is None:
        check_trust(results.study.source, results.path, trust=trust, ask=ask)
    settled = settled_experiment(results.study, experiment, data)
    number = trial_number(results, trial)
    kin = kin_of(results, number) if schedule else None
    if schedule:
        check_schedule(params, epochs, seed)
        if kin is None:
            say(f"trial {number} began by itself: its parameters are all its schedule")
    elif kin_of(results, number) is not None:
        say(
            f"trial {number} went on from others' weights, and this trains its parameters alone; "
            "with `schedule` it lives through theirs too"
        )
    point = point_of(results, number, params or {}, epochs)
    dataset = dataset_of(results, settled)
    cell = Cell(
        trial=number,
        attempt=1,
        fold=0,
        params=point,
        seed=seed_of(results, number) if seed is None else seed,
        epochs=epochs or last_epoch(settled, point),
        start=kin.born if kin else 0,
        kin=kin,
    )
    end = None if epochs else trained_epochs(results, number, cell.epochs)
    trains = end or cell.epochs
    say(
        f"refit of trial {number} on all {len(dataset.x_train)} training samples"
        + (f", epochs: {trains}" if trains else "")
    )
    work = Trial(
        cell,
        lambda epoch, metrics, time_s: Decision.STOP if epoch == end else Decision.CONTINUE,
        lambda: all_training_data(dataset, settled),
        results.path.resolve() / FILES_FOLDER / "refit",
    )
    model = _trained(settled, work)
    done = Refit(
        path=results.path,
        trial=number,
        params=point,
        epochs=work.last_epoch,
        seed=cell.seed,
        metrics=test_metrics(settled.objective, work, model, dataset, logits=None),
        model=model,
    )
    with put_back(path, results.path, say):
        _write(done, results.study, dataset)
    shown = ", ".join(f"{name} {value:.4f}" for name, value in done.metrics.items())
    say(f"test set, {len(dataset.x_test)} samples: {shown}")
    if settled.validation == "test":
        say("the study was judged on this test set, so these figures say little of new data")
    place = str(path).rstrip("/") if is_uri(str(path)) else results.path
    say(f"wrote {place}/{MODEL_FILE} and {place}/{REFIT_FILE}")
    return done


# --------------------------------------------------------------------------- the training


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

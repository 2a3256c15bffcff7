"""The model of a study's best trial, by the weights that were kept while it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import check_trained_here
from tuner.experiment.trust import check_trust
from tuner.models.chosen import (
    all_training_data,
    dataset_of,
    seed_of,
    settled_experiment,
    trial_number,
)
from tuner.models.model_files import import_quietly
from tuner.models.scores import test_metrics
from tuner.store.layout import MODELS_FOLDER
from tuner.store.study_tables import read_study
from tuner.training.kept_models import gives_logits, model_file, unpacked
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras


def kept_model(path: str | Path, trial: int | None = None) -> keras.Model:
    """The network of a study's best trial, or another, as its best epoch left it; not compiled.

    Nothing is trained and no code of the study's is run. Raises StudyError where no weights were
    kept of the trial.
    """
    study = read_study(path)
    trial = trial_number(study, trial)
    file = model_file(study.path / MODELS_FOLDER, trial)
    if not file.is_file():
        check_trained_here(study.study.experiment.engine, "has their weights")
        raise StudyError(
            f"{study.path} kept no weights of trial {trial}: "
            + _why_not(study.study.experiment.mode, study.study.experiment.keep_models),
            way_out=f"train it: refit({str(study.path)!r}, trial={trial})",
        )
    import_quietly()
    return unpacked(file)


def kept_scores(
    path: str | Path,
    *,
    experiment: Experiment | None = None,
    data: str | None = None,
    trust: bool = False,
) -> dict[str, float]:
    """What the best trial's kept network scores on the test part; as `test_metrics` names it.

    The study's experiment is imported, for its data, loss and metrics; see `refit` for who may.
    """
    study = read_study(path)
    if experiment is None:
        check_trust(study.study.source, study.path, trust=trust)
    settled = settled_experiment(study.study, experiment, data)
    dataset = dataset_of(study, settled)
    model = kept_model(path)
    number = trial_number(study, None)
    cell = Cell(number, 1, 0, study.params(number), seed_of(study, number), None)
    trial = Trial(cell, _no_report, lambda: all_training_data(dataset, settled))
    declared, logits = settled.objective, None
    if isinstance(declared, KerasModel):
        from tuner.training.declared import loss_of, metrics_of

        model.compile(loss=loss_of(declared, trial), metrics=metrics_of(declared, trial))
    else:
        logits = gives_logits(model_file(study.path / MODELS_FOLDER, number))
    return test_metrics(declared, trial, model, dataset, logits=logits)


def _no_report(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
    raise StudyError("a loss or metric reported; only a training does")


def _why_not(mode: str, keep_models: int) -> str:
    if mode == "cv":
        return "a cross-validation has a model a fold"
    if not keep_models:
        return "`keep_models` was 0"
    return (
        f"`keep_models` {keep_models} keeps the best, of Keras models that report by "
        "trial.callback()"
    )

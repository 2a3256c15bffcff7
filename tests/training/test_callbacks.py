"""The callbacks that a Keras user expects, declared beside the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search_spaces._models import mlp
from tests.cells import Reports, cell, digits
from tuner.errors import EngineError
from tuner.experiment.experiment import KerasModel
from tuner.store.layout import cell_folder
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Ending, Outcome
from tuner.trial.trial import Trial

# Keras reads its variables in a way that NumPy deprecates, when it saves or sets them too.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def sgd(trial: Trial) -> Any:
    import keras

    return keras.optimizers.SGD(0.1)


MODEL = KerasModel(build=mlp, optimizer=sgd, batch_size=64)


def trained(folder: Path, callbacks: Any, epochs: int = 3) -> tuple[Outcome, Reports]:
    reports = Reports()
    outcome = run_cell(
        replace(MODEL, callbacks=callbacks),
        "val_accuracy",
        cell(epochs=epochs),
        reports.send,
        digits,
        folder,
    )
    clear_worker()
    return outcome, reports


def test_the_best_weights_are_kept_and_a_plateau_ends_the_training(tmp_path: Path) -> None:
    import keras

    def callbacks(trial: Trial) -> list[Any]:
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch < 2 else 0.0),
            keras.callbacks.ModelCheckpoint(trial.folder / "best.keras", save_best_only=True),
            keras.callbacks.EarlyStopping("val_loss", patience=2),
        ]

    outcome, reports = trained(tmp_path / "0", callbacks, epochs=9)
    assert outcome.error is None
    # Of a rate of zero nothing comes, so two epochs later the training is over.
    assert [r["learning_rate"] for r in reports.metrics] == pytest.approx([0.1, 0.1, 0.0, 0.0])
    data = digits()
    best = keras.saving.load_model(tmp_path / "0" / "best.keras")
    loss, _ = best.evaluate(data.x_val, data.y_val, verbose=0)
    assert loss == pytest.approx(min(r["val_loss"] for r in reports.metrics), rel=1e-5)


def test_a_tensorboard_without_its_package_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    outcome, reports = trained(tmp_path, lambda trial: [keras.callbacks.TensorBoard(trial.folder)])
    assert outcome.ending is Ending.RAISED
    assert "callback TensorBoard needs the package tensorboard" in str(outcome.error)
    assert reports.epochs == []


def test_a_cell_has_a_folder_of_its_own_once_it_asks(tmp_path: Path) -> None:
    assert cell_folder(tmp_path, 7, None) == tmp_path / "7"
    assert cell_folder(tmp_path, 7, 2) == tmp_path / "7" / "fold-2"
    trial = Trial(cell(), Reports().send, digits, tmp_path / "7")
    assert not (tmp_path / "7").exists()
    assert trial.folder.is_dir()
    with pytest.raises(EngineError, match="belongs to no study's folder; run it by `tuner run`"):
        _ = Trial(cell(), Reports().send, digits).folder

"""The weights of the best trials: which a worker keeps, and that they come back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cells import Reports, cell, digits
from tuner.errors import StudyError
from tuner.training.kept_models import (
    Keeper,
    Keeping,
    gives_logits,
    model_file,
    packed,
    unpacked,
)
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Ending

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def keeping(folder: Path, **more: Any) -> Keeping:
    given: dict[str, Any] = {"count": 1, "metric": "loss", "sign": 1.0, "takes_best": True}
    return Keeping(folder, **{**given, **more})


def network(units: int = 3) -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])


def trial(number: int) -> Cell:
    return Cell(number, 1, 0, {}, number, 9)


def consider(keeper: Keeper, number: int, loss: float, *, ended: bool = False) -> None:
    keeper.consider(trial(number), 1, {"loss": loss}, network, ended=ended)


def kept(folder: Path) -> set[int]:
    return {int(path.stem) for path in folder.glob("*.npz")}


def test_a_worker_keeps_its_best_and_one_more_lest_the_best_diverge(tmp_path: Path) -> None:
    keeper = Keeper(keeping(tmp_path))
    for number, loss in enumerate([0.5, 0.7, 0.6, 0.9, 0.4]):
        consider(keeper, number, loss)
    assert kept(tmp_path) == {0, 4}
    consider(keeper, 4, float("nan"))
    assert kept(tmp_path) == {0}
    consider(keeper, 5, 0.8)
    consider(keeper, 5, 0.3)
    consider(keeper, 5, 0.35)
    assert keeper.losses == {0: 0.5, 5: 0.3}


def test_a_larger_value_is_better_where_the_metric_is_maximised(tmp_path: Path) -> None:
    keeper = Keeper(keeping(tmp_path, sign=-1.0))
    for number, value in enumerate([0.1, 0.9, 0.5]):
        consider(keeper, number, value)
    assert kept(tmp_path) == {1, 2}


def test_by_the_last_epoch_only_an_ended_training_counts(tmp_path: Path) -> None:
    keeper = Keeper(keeping(tmp_path, takes_best=False))
    consider(keeper, 0, 0.1)
    assert kept(tmp_path) == set()
    consider(keeper, 0, 0.2, ended=True)
    assert keeper.losses == {0: 0.2}


def test_what_keras_cannot_write_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> Any:
        raise NotImplementedError("get_config")

    keeper = Keeper(keeping(tmp_path))
    keeper.consider(trial(0), 1, {"loss": 0.1}, refused, ended=True)
    assert kept(tmp_path) == set()
    assert "no weights are kept: get_config" in capsys.readouterr().out


def test_a_network_comes_back_whatever_it_was_compiled_with(tmp_path: Path) -> None:
    """A loss and a metric of the user's own are code, which no file holds."""
    import keras

    class Own(keras.metrics.Mean):
        """A metric that Keras does not know."""

    def own(y: Any, predicted: Any) -> Any:
        return keras.ops.mean((y - predicted) ** 2)

    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    for number, (loss, gives) in enumerate(((own, False), ("mse", False), (logits, True))):
        model = network()
        model.compile("sgd", loss, metrics=[Own(name="own")])
        path = model_file(tmp_path, number)
        path.write_bytes(packed(model, number, 1, 0.5))
        back = unpacked(path)
        assert not back.compiled
        assert gives_logits(path) is gives
        x = np.ones((2, 4), np.float32)
        np.testing.assert_array_equal(back(x), model(x))


def test_a_file_of_an_earlier_tuner_is_read_without_what_it_was_compiled_with(
    tmp_path: Path,
) -> None:
    import keras

    model = network()
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    about = {"network": {**json.loads(model.to_json())}}
    assert "compile_config" in about["network"]
    weights = {str(i): weight.numpy() for i, weight in enumerate(model.weights)}
    np.savez(tmp_path / "0.npz", **weights, about=np.array(json.dumps(about)))
    assert not unpacked(tmp_path / "0.npz").compiled
    assert gives_logits(tmp_path / "0.npz")


def test_a_broken_file_is_said_in_a_line(tmp_path: Path) -> None:
    model_file(tmp_path, 0).write_bytes(b"no archive")
    with pytest.raises(StudyError, match=r"0\.npz cannot be made a model .*; refit the trial"):
        unpacked(model_file(tmp_path, 0))


def train(trial: Any) -> Any:
    import keras

    data = trial.data
    model = keras.Sequential(
        [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    model.compile(
        keras.optimizers.SGD(2.0), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(data.x_train, data.y_train, 64, trial.epochs, 0, callbacks=[trial.callback()],
              validation_data=(data.x_val, data.y_val))  # fmt: skip
    if trial.get("raises"):
        raise RuntimeError("after its last report")
    return model


def test_the_weights_are_those_of_the_best_epoch_of_a_functions_fit(tmp_path: Path) -> None:
    keeper = Keeper(keeping(tmp_path, metric="val_accuracy", sign=-1.0))
    reports = Reports()
    outcome = run_cell(train, "val_accuracy", cell(epochs=6), reports.send, digits, keeper=keeper)
    assert outcome.ending is Ending.FINISHED, outcome.error
    values = [metrics["val_accuracy"] for metrics in reports.metrics]
    model = unpacked(model_file(tmp_path, 0))
    predicted = model.predict(digits().x_val, verbose=0).argmax(axis=1)
    assert np.mean(predicted == digits().y_val) == pytest.approx(max(values))


def test_a_trial_that_fails_keeps_none(tmp_path: Path) -> None:
    keeper = Keeper(keeping(tmp_path, metric="val_accuracy", sign=-1.0))
    run_cell(train, "val_accuracy", cell({"raises": 1}), Reports().send, digits, keeper=keeper)
    assert kept(tmp_path) == set()

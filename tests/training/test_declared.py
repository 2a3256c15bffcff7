from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.cells import digits, run, trial
from tests.training.test_training import MODEL, build, build_late, build_subclass, halving
from tuner.errors import ExperimentError
from tuner.programs.eligible import hooks_batches
from tuner.training.declared import (
    batch_size_of,
    build_model,
    create_variables,
    metrics_of,
    targets_of,
    validation_batch_size,
)
from tuner.trial.cells import Ending
from tuner.trial.trial import Trial


@pytest.mark.parametrize("make", [build, build_late, build_subclass])
def test_initial_weights_depend_on_the_trials_seed_alone(make: Any) -> None:
    import keras

    declaration = replace(MODEL, build=make)
    keras.utils.set_random_seed(99)
    first = build_model(declaration, trial(seed=5)).get_weights()
    keras.utils.set_random_seed(5)
    random.random()
    again = build_model(declaration, trial(seed=5)).get_weights()
    other = build_model(declaration, trial(seed=6)).get_weights()
    assert len(first) >= 2
    for ours, theirs in zip(first, again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert any((ours != theirs).any() for ours, theirs in zip(first, other, strict=True))


def test_a_precision_is_one_of_keras_own() -> None:
    with pytest.raises(ExperimentError, match=r"precision: 'half' is not one of float32, float64"):
        replace(MODEL, precision="half")


def test_variables_are_created_without_changing_any() -> None:
    import keras

    model = build_model(MODEL, trial())
    model.compile(keras.optimizers.Adam(), MODEL.loss, metrics=["accuracy"])
    before = model.get_weights()
    create_variables(model, digits().y_train)
    assert model.optimizer.built
    assert len(model.metrics_variables) == 4  # total and count, of loss and of accuracy
    assert all(float(variable.numpy()) == 0 for variable in model.metrics_variables)
    for ours, theirs in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sizes_and_metrics_may_be_functions() -> None:
    declaration = replace(
        MODEL,
        batch_size=lambda params: params["batch"] * 2,
        metrics=lambda trial: [trial["metric"]],
    )
    this = trial({"batch": 8, "metric": "mse"})
    assert batch_size_of(declaration, this) == 16
    assert metrics_of(declaration, this) == ["mse"]


def test_one_hot_targets_are_float_rows() -> None:
    rows = targets_of(replace(MODEL, targets="one_hot"), np.array([2, 0]), 3)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_validation_batches_grow_only_where_no_number_can_change() -> None:
    small, large = np.zeros((1, 8, 8), np.float32), np.zeros((1, 256, 256, 3), np.float32)
    assert validation_batch_size(MODEL, 32, small) == 512
    assert validation_batch_size(MODEL, 1024, small) == 1024
    assert validation_batch_size(MODEL, 32, large) == 32
    assert validation_batch_size(replace(MODEL, loss=lambda trial: "mse"), 32, small) == 32
    assert validation_batch_size(replace(MODEL, metrics=[max]), 32, small) == 32  # type: ignore[list-item]


def test_keras_own_callbacks_watch_batches_only_when_told(tmp_path: Any) -> None:
    from keras import callbacks

    path = str(tmp_path / "model.keras")
    quiet = [
        callbacks.EarlyStopping(),
        callbacks.LearningRateScheduler(float),
        callbacks.ReduceLROnPlateau(),
        callbacks.ModelCheckpoint(path),
        callbacks.TensorBoard(str(tmp_path)),
        callbacks.LambdaCallback(on_epoch_end=print),
    ]
    watching = [
        callbacks.ModelCheckpoint(path, save_freq=10),
        callbacks.TensorBoard(str(tmp_path), update_freq=10),
        callbacks.LambdaCallback(on_train_batch_end=print),
        callbacks.TerminateOnNaN(),
    ]
    assert [callback for callback in quiet if hooks_batches(callback)] == []
    assert [callback for callback in watching if not hooks_batches(callback)] == []


def compiled(trial: Trial) -> Any:
    model = build(trial)
    model.compile("sgd", "mse")
    return model


def plateau(trial: Trial) -> Any:
    import keras

    return [keras.callbacks.ReduceLROnPlateau()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"build": lambda trial: None}, "build returned None, which is not a Keras model"),
        ({"build": compiled}, "build returned a compiled model; leave compile out"),
        (
            {"optimizer": lambda trial: "sgd"},
            "optimizer returned 'sgd', which is not a Keras optim",
        ),
        ({"batch_size": 0}, "batch_size 0 must be a whole number of at least 1"),
        ({"batch_size": lambda params: 1.5}, "batch_size 1.5 must be a whole number"),
        ({"callbacks": halving}, "LearningRateScheduler cannot set the learning rate of an opti"),
        ({"callbacks": plateau}, "ReduceLROnPlateau cannot set .* built on InverseTimeDecay"),
    ],
)
def test_a_declaration_that_breaks_a_rule_is_one_line(changes: Any, message: str) -> None:
    outcome, reports = run(replace(MODEL, **changes))
    assert outcome.ending is Ending.RAISED
    text = str(outcome.error)
    assert text.startswith("ExperimentError: ")
    assert "\n" not in text
    with pytest.raises(ExperimentError, match=message):
        raise ExperimentError(text)
    assert reports.epochs == []


def test_a_schedule_that_cannot_be_written_down_trains_as_by_keras() -> None:
    import keras

    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return 0.1 / (1.0 + 0.1 * keras.ops.cast(step, "float32"))

    declared = replace(MODEL, optimizer=lambda trial: keras.optimizers.SGD(Falling()))
    outcome, reports = run(declared)
    assert (outcome.ending, outcome.error) == (Ending.FINISHED, None)
    assert reports.epochs
    outcome, _ = run(replace(declared, callbacks=plateau))
    assert "ReduceLROnPlateau cannot set the learning rate" in str(outcome.error)


def test_epochs_must_be_said() -> None:
    outcome, _ = run(MODEL, epochs=None)
    assert str(outcome.error).startswith("ExperimentError: epochs: nothing says how many epochs")


def test_one_hot_targets_need_classes() -> None:
    with pytest.raises(ExperimentError, match="'one_hot' needs class labels"):
        targets_of(replace(MODEL, targets="one_hot"), np.zeros(2), None)

"""Cases of data as given: tokens stay tokens, and labels that are floats are stratified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.cases.made_data import sorted_float_labels, tokens, wine
from tests.cells import Reports, cell
from tuner.data.datasets import load
from tuner.data.splits import Splits, cell_data
from tuner.experiment.experiment import KerasModel
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.trial import Trial


def trained(objective: Any, function: Any, epochs: int, splits: Splits) -> Reports:
    """The reports of one cell, trained here on the dataset that a function makes."""
    dataset = load(function)
    reports = Reports()
    outcome = run_cell(
        objective,
        "val_accuracy",
        cell({"lr": 0.03}, epochs=epochs),
        reports.send,
        lambda: cell_data(dataset, splits),
    )
    clear_worker()
    assert outcome.error is None
    return reports


@pytest.mark.parametrize("dtype", ["uint8", "int64", "int32"])
def test_tokens_arrive_as_they_were_given(dtype: str) -> None:
    def data() -> Any:
        return tokens(dtype)

    dataset = load(data)
    np.testing.assert_array_equal(dataset.x_train, tokens(dtype)[0][0])
    assert dataset.x_train.dtype == dtype
    assert dataset.done == ()


def test_tokens_can_be_learned() -> None:
    def build(trial: Trial) -> Any:
        import keras

        embedding = keras.layers.Embedding(50, 8)
        layers = [embedding, keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
        return keras.Sequential(layers)

    def adam(trial: Trial) -> Any:
        import keras

        return keras.optimizers.Adam(trial["lr"])

    model = KerasModel(build, adam, loss="binary_crossentropy")
    reports = trained(model, tokens, 8, Splits())
    assert reports.metrics[-1]["val_accuracy"] > 0.9


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_float_labels_are_stratified_in_folds(fold: int) -> None:
    dataset = load(sorted_float_labels)
    data = cell_data(dataset, Splits(mode="cv", folds=3), fold)
    share = dataset.y_train.mean()
    assert data.y_val.mean() == pytest.approx(share, abs=0.01)
    assert data.y_val.dtype == np.float32
    assert "y floats that are 2 classes, stratified" in dataset.done[-1]


def test_float_labels_are_stratified_in_a_search_and_can_be_learned() -> None:
    def build(trial: Trial) -> Any:
        import keras

        return keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "sigmoid")])

    def adam(trial: Trial) -> Any:
        import keras

        return keras.optimizers.Adam(trial["lr"])

    dataset = load(sorted_float_labels)
    data = cell_data(dataset, Splits())
    assert data.y_val.mean() == pytest.approx(dataset.y_train.mean(), abs=0.01)
    model = KerasModel(build, adam, loss="binary_crossentropy")
    reports = trained(model, sorted_float_labels, 5, Splits())
    assert reports.metrics[-1]["val_accuracy"] > 0.9


def test_metrics_of_all_kinds_are_reported() -> None:
    def train(trial: Trial) -> None:
        import keras
        from keras import ops

        def pearson(y: Any, p: Any) -> Any:
            y, p = ops.reshape(y, (-1,)), ops.reshape(p, (-1,))
            a, b = y - ops.mean(y), p - ops.mean(p)
            return ops.sum(a * b) / ops.sqrt(ops.sum(a * a) * ops.sum(b * b))

        data, eye = trial.data, np.eye(3, dtype="float32")
        model = keras.Sequential([keras.layers.Dense(3, "softmax", kernel_initializer="zeros")])
        metrics = ["accuracy", keras.metrics.F1Score(), pearson]
        model.compile(
            keras.optimizers.Adam(trial["lr"]), "categorical_crossentropy", metrics=metrics
        )
        model.fit(
            data.x_train,
            eye[data.y_train],
            epochs=4,
            verbose=0,
            validation_data=(data.x_val, eye[data.y_val]),
            callbacks=[trial.callback()],
        )

    reports = trained(train, wine, 4, Splits())
    assert reports.epochs == [1, 2, 3, 4]
    for metrics in reports.metrics:
        assert {"f1_score_0", "f1_score_1", "f1_score_2", "val_f1_score_2"} <= set(metrics)
        assert "f1_score" not in metrics

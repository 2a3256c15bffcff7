from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cells import Reports, digits, run
from tuner.trial.cells import Ending
from tuner.trial.trial import Trial


def small_model(rate: Any = 0.1) -> Any:
    import keras

    model = keras.Sequential(
        [keras.Input((8, 8)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    model.compile(
        keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def fit(model: Any, trial: Trial, epochs: int, **options: Any) -> Any:
    data = trial.data
    return model.fit(
        data.x_train,
        data.y_train,
        batch_size=100,
        epochs=epochs,
        callbacks=[trial.callback()],
        verbose=0,
        **options,
    )


def test_every_epoch_reports_keras_logs_and_the_learning_rate() -> None:
    histories = []

    def train(trial: Trial) -> None:
        data = trial.data
        histories.append(fit(small_model(), trial, 3, validation_data=(data.x_val, data.y_val)))

    outcome, reports = run(train)
    assert outcome.ending is Ending.FINISHED
    assert reports.epochs == [1, 2, 3]
    for epoch, metrics in enumerate(reports.metrics):
        assert metrics.pop("learning_rate") == pytest.approx(0.1)
        assert metrics == {key: values[epoch] for key, values in histories[0].history.items()}
        assert set(metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        assert all(type(value) is float for value in metrics.values())


@pytest.mark.parametrize("where", ["compiled", "added"])
def test_a_metric_of_the_users_own_keeps_its_name(where: str) -> None:
    def train(trial: Trial) -> None:
        import keras

        def learning_rate(y: Any, predicted: Any) -> Any:
            return keras.ops.mean(predicted)  # of ten classes

        model = small_model()
        data, also = trial.data, {}
        if where == "compiled":
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=[learning_rate])
        else:
            also = {"learning_rate": 0.1}
        callback = trial.callback(also)
        model.fit(data.x_train, data.y_train, epochs=1, callbacks=[callback], verbose=0)

    outcome, reports = run(train, metric="loss")
    assert outcome.ending is Ending.FINISHED, outcome.error
    assert reports.metrics[0]["learning_rate"] == pytest.approx(0.1)


def test_what_a_model_weighs_and_takes_is_part_of_each_report() -> None:
    def train(trial: Trial) -> None:
        model = small_model()
        stats = trial.model_stats(model)
        assert stats["parameters"] == 64 * 10 + 10
        assert stats["size_mb"] == pytest.approx(650 * 4 / 1e6)
        assert stats["mflops"] == pytest.approx(2 * 64 * 10 / 1e6, rel=0.1)
        data = trial.data
        callback = trial.callback(stats)
        model.fit(data.x_train, data.y_train, epochs=2, callbacks=[callback], verbose=0)

    outcome, reports = run(train, metric="loss")
    assert outcome.ending is Ending.FINISHED, outcome.error
    latencies = {metrics["latency_ms"] for metrics in reports.metrics}
    assert len(reports.metrics) == 2
    assert len(latencies) == 1
    assert latencies.pop() > 0


def test_a_model_without_shapes_has_no_stats() -> None:
    import keras

    from tuner.errors import ReportError
    from tuner.trial.model_stats import model_stats

    with pytest.raises(ReportError, match="does not say the shape of a sample"):
        model_stats(keras.Sequential([keras.layers.Dense(3)]))


def test_the_callback_works_without_its_parentheses() -> None:
    def train(trial: Trial) -> None:
        data = trial.data
        small_model().fit(
            data.x_train,
            data.y_train,
            epochs=2,
            validation_data=(data.x_val, data.y_val),
            callbacks=[trial.callback],
            verbose=0,
        )

    outcome, reports = run(train)
    assert (outcome.error, reports.epochs) == (None, [1, 2])


def test_a_vector_metric_becomes_columns_and_a_nan_beside_is_carried() -> None:
    def train(trial: Trial) -> None:
        import keras
        import numpy as np

        def undefined(y: Any, p: Any) -> Any:
            return keras.ops.sum(p * 0.0) / keras.ops.sum(p * 0.0)

        data, eye = trial.data, np.eye(10, dtype="float32")
        model = small_model()
        model.compile(
            "adam",
            "categorical_crossentropy",
            metrics=["accuracy", keras.metrics.F1Score(), undefined],
        )
        val = (data.x_val, eye[data.y_val])
        model.fit(
            data.x_train,
            eye[data.y_train],
            verbose=0,
            validation_data=val,
            callbacks=[trial.callback()],
        )

    outcome, reports = run(train)
    assert outcome.error is None
    (metrics,) = reports.metrics
    assert {f"f1_score_{i}" for i in range(10)} <= set(metrics)
    assert {f"val_f1_score_{i}" for i in range(10)} <= set(metrics)
    assert metrics["undefined"] != metrics["undefined"]
    assert 0 <= metrics["val_accuracy"] <= 1


def test_a_schedules_learning_rate_is_the_next_updates() -> None:
    def train(trial: Trial) -> None:
        import keras

        rate = keras.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=1, decay_rate=0.5)
        fit(small_model(rate), trial, 2)

    _, reports = run(train)
    # 300 samples in batches of 100: three updates an epoch.
    rates = [metrics["learning_rate"] for metrics in reports.metrics]
    assert rates == pytest.approx([0.1 / (1 + 0.5 * 3), 0.1 / (1 + 0.5 * 6)])


def test_the_fit_stops_when_told() -> None:
    lengths = []

    def train(trial: Trial) -> None:
        history = fit(small_model(), trial, 5)
        lengths.append(len(history.history["loss"]))

    outcome, reports = run(train, reports=Reports(stop_at=2))
    assert outcome.ending is Ending.FINISHED
    assert reports.epochs == [1, 2]
    assert lengths == [2]


def test_epochs_go_on_counting_in_a_second_fit() -> None:
    def train(trial: Trial) -> None:
        model = small_model()
        fit(model, trial, 2)
        fit(model, trial, 2)

    _, reports = run(train)
    assert reports.epochs == [1, 2, 3, 4]


# Keras reads its variables in a way that NumPy deprecates, when it saves or sets them too.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_fit_that_keras_restores_reports_the_epochs_that_it_trains(tmp_path: Path) -> None:
    def train(trial: Trial) -> None:
        import keras

        data = trial.data
        backup = keras.callbacks.BackupAndRestore(tmp_path)
        callbacks = [trial.callback(), backup]
        small_model().fit(data.x_train, data.y_train, epochs=4, callbacks=callbacks, verbose=0)

    class Dies(Reports):
        def send(self, epoch: int, *more: Any) -> Any:
            if epoch == 3:
                raise KeyboardInterrupt
            return super().send(epoch, *more)

    with pytest.raises(KeyboardInterrupt):
        run(train, reports=Dies())
    outcome, reports = run(train)
    assert (outcome.ending, reports.epochs) == (Ending.FINISHED, [3, 4])


def test_a_fit_after_the_stop_ends_the_function_before_it_trains() -> None:
    seen = []

    def train(trial: Trial) -> None:
        model = small_model()
        fit(model, trial, 3)
        updates = int(model.optimizer.iterations)
        seen.append(updates)
        try:
            fit(model, trial, 3)
        finally:
            seen.append(int(model.optimizer.iterations))
        seen.append(-1)

    outcome, reports = run(train, reports=Reports(stop_at=1))
    assert outcome.ending is Ending.FINISHED
    assert outcome.error is None
    assert reports.epochs == [1]
    assert seen == [3, 3]


def test_a_searched_metric_of_several_values_is_told_its_columns() -> None:
    def train(trial: Trial) -> None:
        import keras

        model = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten()])
        model.add(keras.layers.Dense(10, "softmax"))
        model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
        data = digits()
        y = keras.utils.to_categorical(data.y_train, 10)
        model.fit(data.x_train, y, callbacks=[trial.callback()], verbose=0)

    outcome, _ = run(train)
    assert outcome.ending is Ending.RAISED
    said = str(outcome.error)
    assert "metric 'val_accuracy' is searched and the first report has: f1_score" in said
    assert "f1_score_0, f1_score_1, f1_score_2" in said
    assert "name one of these as the metric" in said

"""Lanes train as `fit` does: the same weights and history, whatever their neighbours do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data.splits import Data, Part
from tuner.experiment.experiment import KerasModel
from tuner.lanes import random_internals
from tuner.lanes.lane import data_order, pool_of
from tuner.lanes.lanes import Lanes
from tuner.lanes.rules import form, why_not
from tuner.training.declared import build_model, metrics_of
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial

N_TRAIN, N_VAL, CLASSES = 45, 37, 3
DRAW = np.random.default_rng(0)
X, Y = DRAW.random((N_TRAIN + N_VAL, 8)), DRAW.integers(0, CLASSES, N_TRAIN + N_VAL)
TRAIN = np.arange(N_TRAIN, dtype=np.int32)
VAL = np.arange(N_TRAIN, N_TRAIN + N_VAL, dtype=np.int32)


@pytest.fixture(autouse=True)
def double(request: pytest.FixtureRequest) -> Iterator[None]:
    """float64 throughout: there equality can be told from rounding."""
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.backend.clear_session()


def mlp(trial: Any) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(6, "relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, "softmax"),
        ]
    )


def noisy(trial: Any) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.GaussianNoise(0.1),
            layers.Dense(6, "relu"),
            layers.GaussianDropout(0.2),
            layers.Dense(CLASSES, "softmax"),
        ]
    )


def convolutional(trial: Any) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Reshape((4, 2, 1)),
            layers.Conv2D(3, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(CLASSES, "softmax"),
        ]
    )


def recurrent(trial: Any) -> Any:
    """Its layer with dropout draws a number for each batch, though it only judges it."""
    import keras
    from keras import layers

    lstm = layers.LSTM(3, dropout=0.1, recurrent_dropout=0.2)
    return keras.Sequential(
        [keras.Input((8,)), layers.Reshape((4, 2)), lstm, layers.Dense(CLASSES, "softmax")]
    )


def counting(trial: Any) -> Any:
    """A layer of a user's counts its batches, those of validation too."""
    import keras

    class Counts(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            self.seen.assign(self.seen + 1.0)
            return x * (1.0 + self.seen * 0.01)

    return keras.Sequential([keras.Input((8,)), Counts(), keras.layers.Dense(CLASSES, "softmax")])


def optimizers() -> dict[str, Callable[[Any], Any]]:
    from keras.optimizers import SGD, Adam, AdamW, Nadam, RMSprop
    from keras.optimizers.schedules import InverseTimeDecay

    return {
        "sgd": lambda t: SGD(t["rate"], momentum=t["m"]),
        "nesterov": lambda t: SGD(t["rate"], momentum=t["m"], nesterov=True),
        "decay": lambda t: SGD(InverseTimeDecay(t["rate"], 1, t["m"] / 10), momentum=t["m"]),
        "rmsprop": lambda t: RMSprop(t["rate"], rho=0.9 - t["m"] / 10),
        "rmsprop momentum": lambda t: RMSprop(t["rate"], momentum=0.1 + t["m"] / 2),
        "adam": lambda t: Adam(t["rate"], beta_1=0.8 + t["m"] / 10),
        "adamw": lambda t: AdamW(t["rate"], weight_decay=0.01 + t["m"] / 10),
        "nadam": lambda t: Nadam(t["rate"]),
    }


def declared(optimizer: str = "sgd", build: Any = mlp, **fields: Any) -> KerasModel:
    return KerasModel(
        build=build,
        optimizer=lambda trial: optimizers()[optimizer](trial),
        batch_size=lambda params: params.get("batch_size", 32),
        **fields,
    )


def trial(number: int, rate: float = 0.05, m: float = 0.5, **params: Any) -> Trial:
    data = Data(Part(X, Y, TRAIN), Part(X, Y, VAL), CLASSES)
    cell = Cell(number, 1, 0, {"rate": rate, "m": m, **params}, seed=100 + number, epochs=3)
    return Trial(cell, lambda *report: Decision.CONTINUE, lambda: data)


def made(declaration: KerasModel, first: Trial, count: int) -> Lanes:
    return Lanes(declaration, first, pool_of(declaration, X, Y, CLASSES), count)


def fitted(declaration: KerasModel, one: Trial, epochs: int) -> Any:
    """What `fit` makes of a trial: its model and its history, epoch by epoch."""
    import keras

    keras.utils.set_random_seed(one.seed)
    model = build_model(declaration, one)
    # Without a graph: the numbers are the same, and a trace takes longer than these few steps.
    model.compile(
        declaration.optimizer(one),
        declaration.loss,
        metrics=metrics_of(declaration, one),
        run_eagerly=True,
    )
    history = model.fit(
        X[TRAIN], Y[TRAIN], batch_size=declaration.batch_size(one.params),  # type: ignore[operator]
        epochs=epochs, verbose=0, validation_data=(X[VAL], Y[VAL]),
    ).history  # fmt: skip
    return model, [
        {name: values[epoch] for name, values in history.items()} for epoch in range(epochs)
    ]


def apart(lanes: Lanes, lane: int, model: Any) -> float:
    weights, others = lanes.program.weights(lane)
    pairs = [
        *zip(weights, model.trainable_variables, strict=True),
        *zip(others, model.non_trainable_variables, strict=True),
    ]
    return max(float(np.abs(a - np.asarray(b)).max()) for a, b in pairs)


@pytest.mark.parametrize(
    ("optimizer", "build"),
    [
        *((name, mlp) for name in ("nesterov", "rmsprop", "adam", "adamw", "nadam")),
        ("rmsprop momentum", mlp),
        ("decay", noisy),
        ("sgd", convolutional),
        ("sgd", recurrent),
        ("sgd", counting),
    ],
)
def test_every_lane_has_the_weights_and_history_of_fit(optimizer: str, build: Any) -> None:
    declaration = declared(optimizer, build)
    trials = [trial(0, 0.05, 0.9), trial(1, 0.01, 0.0), trial(2, 0.02, 0.5)]
    lanes = made(declaration, trials[0], 3)
    assert lanes.program.vectorised == (build is not convolutional)
    for lane, one in enumerate(trials):
        lanes.put(lane, one, TRAIN, VAL)
    reports = [lanes.epoch() for _ in range(2)]
    for lane, one in enumerate(trials):
        model, history = fitted(declaration, one, 2)
        assert apart(lanes, lane, model) < 1e-9
        for epoch, values in enumerate(history):
            rate = reports[epoch][lane].pop("learning_rate")
            assert reports[epoch][lane] == pytest.approx(values, abs=1e-9)
        assert rate == pytest.approx(float(model.optimizer.learning_rate))


def test_a_lane_does_not_depend_on_its_neighbours_bit_for_bit() -> None:
    declaration = declared("adam")
    with_calm = made(declaration, trial(0), 3)
    with_wild = made(declaration, trial(0), 3)
    for lanes, rate in ((with_calm, 0.01), (with_wild, 1e300)):
        lanes.put(0, trial(0), TRAIN, VAL)
        lanes.put(1, trial(1, rate), TRAIN, VAL)
    for _ in range(2):
        calm, wild = with_calm.epoch(), with_wild.epoch()
        assert calm[0] == wild[0]
        assert set(wild) == {0, 1}
    assert not math.isfinite(wild[1]["loss"])
    for a, b in zip(with_calm.program.weights(0)[0], with_wild.program.weights(0)[0], strict=True):
        assert (a == b).all()


def test_training_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lanes = made(declared("sgd"), trial(0), 2)
    lanes.put(0, trial(0), TRAIN, VAL)
    assert set(lanes.epoch()) == {0}
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_lane_that_ends_is_refilled_without_a_new_trace() -> None:
    declaration = declared("decay")
    lanes = made(declaration, trial(0), 2)
    lanes.put(0, trial(0), TRAIN, VAL)
    lanes.put(1, trial(1, 0.02), TRAIN, VAL)
    lanes.epoch()
    lanes.free(0)
    assert set(lanes.epoch()) == {1}
    lanes.put(0, trial(2, 0.03, 0.9), TRAIN, VAL)
    lanes.epoch()
    lanes.epoch()
    assert apart(lanes, 0, fitted(declaration, trial(2, 0.03, 0.9), 2)[0]) < 1e-9
    assert apart(lanes, 1, fitted(declaration, trial(1, 0.02), 4)[0]) < 1e-9
    assert lanes.program._train.experimental_get_tracing_count() == 1


def test_another_batch_size_and_other_folds_need_no_new_trace() -> None:
    import keras

    declaration = declared()
    lanes = made(declaration, trial(0), 1)
    for size, rows in ((32, TRAIN), (50, TRAIN), (7, TRAIN[:31])):
        one = trial(0, batch_size=size)
        lanes.put(0, one, rows, VAL)
        report = lanes.epoch()[0]
        model = build_model(declaration, one)
        model.compile(declaration.optimizer(one), declaration.loss, metrics=["accuracy"])
        keras.utils.set_random_seed(one.seed)
        ran = model.fit(X[rows], Y[rows], batch_size=size, verbose=0)
        assert report["loss"] == pytest.approx(ran.history["loss"][0], abs=1e-9)
        assert apart(lanes, 0, model) < 1e-9
    assert lanes.program._train.experimental_get_tracing_count() == 1


def test_tensorflow_has_what_lanes_need() -> None:
    assert random_internals.check() is None


def test_single_precision_agrees_over_twenty_steps() -> None:
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    declaration = declared("nesterov")
    trials = [trial(0, 0.1, 0.9), trial(1, 0.05, 0.5)]
    lanes = made(declaration, trials[0], 2)
    for lane, one in enumerate(trials):
        lanes.put(lane, one, TRAIN, VAL)
    for _ in range(10):  # of two steps each
        lanes.epoch()
    for lane, one in enumerate(trials):
        assert apart(lanes, lane, fitted(declaration, one, 10)[0]) < 1e-5


def test_mixed_precision_is_that_of_fit() -> None:
    """bfloat16 has three digits, so that few steps must do."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    declaration = declared("nesterov", precision="mixed_bfloat16")
    one = trial(0, 0.1, 0.9)
    lanes = made(declaration, one, 2)
    lanes.put(0, one, TRAIN, VAL)
    report = lanes.epoch()[0]
    assert lanes.program.model.layers[-1].compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    model, history = fitted(declaration, one, 1)
    assert apart(lanes, 0, model) < 5e-3
    assert report["loss"] == pytest.approx(history[0]["loss"], rel=0.01)
    plain, _ = fitted(declared("nesterov"), one, 1)
    assert apart(lanes, 0, plain) > 1e-6


def test_a_recurrent_network_is_mapped() -> None:
    from keras import Input, Sequential, layers

    def lstm(trial: Any) -> Any:
        return Sequential(
            [Input((8,)), layers.Reshape((4, 2)), layers.LSTM(4), layers.Dense(3, "softmax")]
        )

    declaration = declared(build=lstm)
    lanes = made(declaration, trial(0), 2)
    for lane in (0, 1):
        lanes.put(lane, trial(lane), TRAIN, VAL)
    lanes.epoch()
    assert apart(lanes, 1, fitted(declaration, trial(1), 1)[0]) < 1e-9


def test_the_order_of_the_data_is_the_trials_own() -> None:
    one, again = data_order(1, TRAIN), data_order(1, TRAIN)
    assert (one == again).all()
    assert sorted(one) == list(TRAIN)
    assert (one != data_order(2, TRAIN)).any()


def test_what_lanes_cannot_train_is_told_in_words() -> None:
    import keras

    class OwnStep(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            return super().train_step(data)

    def own_step(trial: Any) -> Any:
        return OwnStep([keras.Input((8,)), keras.layers.Dense(CLASSES, "softmax")])

    def wide(trial: Any) -> Any:
        return keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(512), keras.layers.Dense(256)]
        )

    def spectral(trial: Any) -> Any:
        dense = keras.layers.Dense(CLASSES, "softmax")
        return keras.Sequential([keras.Input((8,)), keras.layers.SpectralNormalization(dense)])

    def averaged(trial: Any) -> Any:
        return keras.optimizers.SGD(0.1, use_ema=True)

    def schedule_free(trial: Any) -> Any:  # its momentum begins as the weights
        return keras.optimizers.ScheduleFreeAdamW(0.1)

    def reason(declaration: KerasModel) -> str | None:
        return why_not(declaration, trial(0), build_model(declaration, trial(0)))

    assert reason(declared()) is None
    assert reason(declared(build=own_step)) == (
        "OwnStep has a training step, loss or metrics of its own"
    )
    assert reason(declared(build=wide)) == "its Dense layers are wide (512 x 256): no gain"
    assert reason(declared(build=spectral)) == "its forward pass changes its weights"
    assert reason(KerasModel(build=mlp, optimizer=averaged)) == "the optimizer has use_ema"
    assert reason(KerasModel(build=mlp, optimizer=schedule_free)) == (
        "the optimizer ScheduleFreeAdamW may set variables when it is built"
    )
    assert reason(declared(callbacks=lambda trial: [])) == "it has callbacks of its own"
    keras.config.set_floatx("float32")  # in float64 the penalty and the loss could not be added
    keras.config.set_dtype_policy("float32")
    assert reason(declared(precision="mixed_bfloat16")) is None
    assert "computes in float16, whose losses" in str(reason(declared(precision="mixed_float16")))


def test_trials_of_one_form_share_lanes() -> None:
    def of(optimizer: str = "sgd", build: Any = mlp, **params: Any) -> Any:
        declaration = declared(optimizer, build)
        one = trial(0, **params)
        return form(declaration, one, build_model(declaration, one))

    assert of() == of(rate=0.9, m=0.0) == of(batch_size=7)
    assert of() != of("nesterov")
    assert of("rmsprop") == of("rmsprop", rate=0.9) != of("rmsprop momentum")
    assert of("rmsprop momentum") == of("rmsprop momentum", m=0.9)
    assert of() != of("decay")
    assert of() != of(build=convolutional)

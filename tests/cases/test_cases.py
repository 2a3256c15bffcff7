"""Searches whose trials look alike and are not: on every way of training, each trial is its own.

What differs stands where no config tells: in a loss, a closure, adapted statistics, a layer's or a
schedule's own code. Each trains in lanes with those that its traced graph allows, by programs, and
by plain `fit`, in float64, and must give the same numbers by all three.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.programs.pairs import float64
from tuner.data.splits import Data, Part
from tuner.experiment.experiment import KerasModel
from tuner.lanes.lane import pool_of
from tuner.lanes.lanes import Lanes
from tuner.lanes.rules import form, why_not
from tuner.programs.cache import Programs
from tuner.programs.fit import warm
from tuner.training.declared import build_model, loss_of, metrics_of
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial

ROWS, JUDGED, WIDTH, BATCH, EPOCHS = 45, 20, 5, 25, 2
DRAW = np.random.default_rng(4)
X = DRAW.normal(size=(ROWS + JUDGED, WIDTH)) * 3 + 1
CODES = (X[:, 0] > 1).astype(np.int64) + (X[:, 1] > 1)
VALUES = X[:, 0] * 4 - X[:, 1]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with float64():
        yield


def dense(*before: Any, outputs: int = 3, **first: Any) -> Any:
    import keras

    last = keras.layers.Dense(outputs, "softmax" if outputs > 1 else None)
    layers = [*before, keras.layers.Dense(6, **{"activation": "relu", **first}), last]
    return keras.Sequential([keras.Input((WIDTH,)), *layers])


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(trial.get("rate", 0.02), momentum=0.5)


def huber(trial: Any) -> Any:
    import keras

    return keras.losses.Huber(delta=trial["delta"])


def weighted(trial: Any) -> Any:
    def loss(y: Any, q: Any) -> Any:
        import keras

        return keras.ops.mean(keras.ops.abs(y - q) * trial["delta"], axis=-1)

    return loss


def squashed(trial: Any) -> Any:
    import keras

    return dense(activation=lambda x: keras.ops.tanh(trial["steep"] * x))


def penalised(trial: Any) -> Any:
    import keras

    return dense(kernel_regularizer=lambda w: trial["steep"] * keras.ops.sum(keras.ops.abs(w)))


def adapted(trial: Any) -> Any:
    import keras

    normal = keras.layers.Normalization()
    normal.adapt(trial.data.x_train[: trial["rows"]])
    return dense(normal)


def given_statistics(trial: Any) -> Any:
    import keras

    seen = trial.data.x_train[: trial["rows"]]
    return dense(keras.layers.Normalization(mean=seen.mean(0), variance=seen.var(0)))


def weighing(trial: Any) -> Any:
    import keras

    class Weigh(keras.layers.Layer):
        def __init__(self, weights: Any) -> None:
            super().__init__()
            self.w = keras.ops.convert_to_tensor(weights, "float64")

        def call(self, x: Any) -> Any:
            return x * self.w

    return dense(Weigh(np.linspace(1, trial.get("to", 2.0), WIDTH)))


def batch_reading(trial: Any) -> Any:
    import keras

    return dense(keras.layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0)))


def warming_up(trial: Any) -> Any:
    import keras

    class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __call__(self, step: Any) -> Any:
            step = keras.ops.cast(step, "float64") + 1.0
            return 0.3 * keras.ops.minimum(step**-0.5, step * self.steps**-1.5)

        def get_config(self) -> dict[str, Any]:
            return {"steps": self.steps}

    return keras.optimizers.SGD(WarmUp(trial["steps"]))


def own_optimizer(trial: Any) -> Any:
    import keras

    class Sign(keras.optimizers.SGD):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            self.assign_sub(variable, keras.ops.sign(gradient) * 0.001 * trial["steps"])

    return Sign(0.1)


def functional(trial: Any) -> Any:
    import keras

    inputs = keras.Input((WIDTH,))
    hidden = keras.layers.Dense(6, "relu")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(hidden))


def residual(trial: Any) -> Any:
    import keras

    inputs = keras.Input((WIDTH,))
    hidden = keras.layers.Dense(WIDTH, "relu")(inputs)
    joined = hidden + inputs if trial["joined"] else hidden + hidden
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(joined))


def classifier(trial: Any) -> Any:
    return dense()


def one_value(trial: Any) -> Any:
    return dense(outputs=1)


def rates(*names: float) -> list[dict[str, Any]]:
    return [{"rate": rate} for rate in names]


SHARED, APART, NOT_IN_LANES = "in the same lanes", "each in its own", "not in lanes"
CASES: dict[str, tuple[str, KerasModel, list[dict[str, Any]]]] = {
    "loss by parameter": (
        APART,
        KerasModel(one_value, sgd, loss=huber, metrics=("mae",)),
        [{"delta": 0.5}, {"delta": 2.0}],
    ),
    "loss closes over": (
        APART,
        KerasModel(one_value, sgd, loss=weighted, metrics=()),
        [{"delta": 0.5}, {"delta": 2.0}],
    ),
    "activation closes over": (APART, KerasModel(squashed, sgd), [{"steep": 0.1}, {"steep": 3.0}]),
    "penalty closes over": (APART, KerasModel(penalised, sgd), [{"steep": 0.0}, {"steep": 0.1}]),
    "adapted": (APART, KerasModel(adapted, sgd), [{"rows": 20}, {"rows": 45}]),
    "statistics given": (APART, KerasModel(given_statistics, sgd), [{"rows": 20}, {"rows": 45}]),
    "own layer": (SHARED, KerasModel(weighing, sgd), rates(0.01, 0.05)),
    "own layer's array": (APART, KerasModel(weighing, sgd), [{"to": 2.0}, {"to": 9.0}]),
    "reads its batch": (SHARED, KerasModel(batch_reading, sgd), rates(0.01, 0.05)),
    "own schedule": (
        NOT_IN_LANES, KerasModel(classifier, warming_up), [{"steps": 2}, {"steps": 9}],
    ),
    "own optimizer": (
        NOT_IN_LANES, KerasModel(classifier, own_optimizer), [{"steps": 2}, {"steps": 9}],
    ),
    "functional": (SHARED, KerasModel(functional, sgd), rates(0.01, 0.05)),
    "wired otherwise": (APART, KerasModel(residual, sgd), [{"joined": True}, {"joined": False}]),
}  # fmt: skip


def trial_of(declared: KerasModel, number: int, params: dict[str, Any]) -> Trial:
    y = VALUES if declared.build is one_value else CODES
    data = Data(
        Part(X, y, np.arange(ROWS, dtype=np.int32)),
        Part(X, y, np.arange(ROWS, ROWS + JUDGED, dtype=np.int32)),
        None if declared.build is one_value else 3,
    )
    cell = Cell(number, 1, 0, params, seed=50 + number, epochs=EPOCHS)
    return Trial(cell, lambda *report: Decision.CONTINUE, lambda: data)


def fitted(declared: KerasModel, trial: Trial, programs: Programs | None) -> list[dict[str, float]]:
    """A trial's history by `fit`, plain or through programs.

    The plain one without a graph: a trace takes longer than these few steps.
    """
    import keras

    keras.utils.set_random_seed(trial.seed)
    model = build_model(declared, trial)
    model.compile(
        declared.optimizer(trial),
        loss_of(declared, trial),
        metrics=metrics_of(declared, trial),
        run_eagerly=programs is None,
    )
    data = trial.data
    with nullcontext() if programs is None else warm(programs=programs):
        history = model.fit(
            data.x_train, data.y_train, batch_size=BATCH, epochs=EPOCHS, verbose=0,
            validation_data=(data.x_val, data.y_val),
        ).history  # fmt: skip
    return [{name: values[epoch] for name, values in history.items()} for epoch in range(EPOCHS)]


def in_lanes(declared: KerasModel, trials: list[Trial]) -> tuple[list[Any], int]:
    """The trials' histories from the lanes that they share, None for one without; and how many
    programs of lanes that took."""
    groups: dict[Any, list[int]] = defaultdict(list)
    histories: list[Any] = [None for _ in trials]
    for index, trial in enumerate(trials):
        model = build_model(declared, trial)
        if why_not(declared, trial, model) is None:
            groups[form(declared, trial, model)].append(index)
    for group in groups.values():
        first = trials[group[0]]
        data = first.data
        lanes = Lanes(
            declared,
            first,
            pool_of(declared, X, VALUES if data.n_classes is None else CODES, data.n_classes),
            len(group),
        )
        for lane, index in enumerate(group):
            assert data.train.rows is not None
            assert data.val.rows is not None
            lanes.put(lane, trials[index], data.train.rows, data.val.rows)
        reports = [lanes.epoch() for _ in range(EPOCHS)]
        for lane, index in enumerate(group):
            histories[index] = [report[lane] for report in reports]
            for report in histories[index]:
                del report["learning_rate"]
    return histories, len(groups)


@pytest.mark.parametrize("name", CASES)
def test_each_trial_trains_as_a_plain_fit_would(name: str) -> None:
    together, declared, points = CASES[name]
    declared = replace(declared, batch_size=BATCH)
    trials = [trial_of(declared, number, point) for number, point in enumerate(points)]
    plain = [fitted(declared, trial, None) for trial in trials]
    programs = Programs()
    for trial, history in zip(trials, plain, strict=True):
        for epoch, values in enumerate(fitted(declared, trial, programs)):
            assert values == pytest.approx(history[epoch], abs=1e-9)
    lanes, count = in_lanes(declared, trials)
    assert count == {SHARED: 1, APART: 2, NOT_IN_LANES: 0}[together]
    for history, wanted in zip(lanes, plain, strict=True):
        if history is not None:
            for epoch, values in enumerate(history):
                assert values == pytest.approx(wanted[epoch], abs=1e-9)

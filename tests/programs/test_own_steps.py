"""Models with a training step of their own: what it logs, and those that are nothing but a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.programs.pairs import Point, distance, float64, train
from tuner.programs.cache import Programs

Logs = Callable[[Any, Any], Any]
"""What a step returns, of its model and its loss."""


def each_metric(model: Any, loss: Any) -> Any:
    """As Keras' guide has it."""
    return {metric.name: metric.result() for metric in model.metrics}


SHARED: dict[str, Logs] = {
    "in any order": lambda model, loss: {"z": loss, "a": loss * 2, "m": loss * 3},
    "in a dict": lambda model, loss: {"z": loss, "inner": {"y": loss * 3, "b": loss * 4}},
    "one in a dict": lambda model, loss: {"z": loss, "inner": {"b": loss * 4}},
    "each metric": each_metric,
    "two of a name": lambda model, loss: {"b": loss, "inner": {"b": loss * 4}},
    "a number": lambda model, loss: {"z": loss, "c": 1.5},
    "a variable": lambda model, loss: {"z": loss, "rate": model.optimizer.learning_rate},
}
LEFT: dict[str, Logs] = {
    "nothing known": lambda model, loss: {"z": loss, "c": None},
    "a list": lambda model, loss: {"z": loss, "c": [loss, loss]},
}


def with_logs(logs: Logs) -> Callable[[Point], Any]:
    """A network whose step returns these logs."""
    import keras
    import tensorflow as tf

    class Net(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                predicted = self(x, training=True)
                loss = self.compute_loss(x, y, predicted) * self.times
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            for metric in self.metrics:
                metric.update_state(*([loss] if metric.name == "loss" else [y, predicted]))
            return logs(self, loss)

    def make(point: Point) -> Any:
        net = Net([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
        net.times = point["times"]
        net.compile(
            keras.optimizers.SGD(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return net

    return make


def gan(point: Point) -> Any:
    """A generator and a discriminator, each with its optimizer, in a model without a `call`."""
    import keras
    import tensorflow as tf

    losses = keras.losses.BinaryCrossentropy(from_logits=True)
    adam = keras.optimizers.Adam

    class Gan(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.makes = keras.Sequential([keras.Input((3,)), keras.layers.Dense(64)])
            self.judges = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
            self.noise = keras.random.SeedGenerator(3)
            self.theirs = adam(0.01), adam(point["rate"])

        def train_step(self, data: Any) -> Any:
            x, _ = data
            noise = keras.random.normal((tf.shape(x)[0], 3), seed=self.noise)
            ones = tf.ones((tf.shape(x)[0], 1))
            with tf.GradientTape(persistent=True) as tape:
                made = self.judges(self.makes(noise))
                judged = losses(ones, self.judges(x)) + losses(tf.zeros_like(ones), made)
                fooled = losses(ones, made) * point["weight"]
            parts = (self.judges, judged), (self.makes, fooled)
            for optimizer, (part, loss) in zip(self.theirs, parts, strict=True):
                variables = part.trainable_variables
                optimizer.apply_gradients(
                    zip(tape.gradient(loss, variables), variables, strict=True)
                )
            return {"makes": fooled, "judges": judged}

    model = Gan()
    model.compile()
    return model


@pytest.mark.parametrize("name", SHARED)
def test_logs_of_a_step_are_fits_own(name: str) -> None:
    programs = Programs()
    with float64():
        make = with_logs(SHARED[name])
        for times in (1.5, 2.5):
            plain = train(make, {"times": times}, None, validation_data=None)
            warm = train(make, {"times": times}, programs, validation_data=None)
            assert (warm.how, warm.lifted) == ("new", times == 2.5)
            assert list(warm.history) == list(plain.history)
            assert distance(plain, warm) <= (1e-9 if warm.lifted else 0.0)


@pytest.mark.parametrize("name", LEFT)
def test_a_step_that_logs_something_else_is_left_to_keras(name: str) -> None:
    with float64():
        ran = train(with_logs(LEFT[name]), {"times": 1.5}, Programs(), validation_data=None)
    assert ran.how == "its step returns something else than a dict of tensors"


def test_a_model_that_is_never_called_trains_by_its_step_alone() -> None:
    programs = Programs()
    with float64():
        for how, lifted, point in (
            ("new", False, {"rate": 0.02, "weight": 1.5}),
            ("traced", False, {"rate": 0.05, "weight": 1.5}),
            ("new", True, {"rate": 0.05, "weight": 2.5}),
        ):
            plain = train(gan, point, None, validation_data=None)
            warm = train(gan, point, programs, validation_data=None)
            assert (warm.how, warm.lifted) == (how, lifted)
            assert distance(plain, warm) <= (1e-9 if warm.lifted else 0.0)
            assert plain.history["makes"] != plain.history["judges"]

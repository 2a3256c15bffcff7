from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tests.cells import digits, run, trial
from tests.training.test_training import MODEL, build
from tuner.training.declared import build_model, create_variables
from tuner.training.fit import train_model
from tuner.training.process import clear_worker
from tuner.training.whole_epoch import is_plain, whole_epochs
from tuner.trial.cells import Ending
from tuner.trial.trial import Trial


def build_counting(trial: Trial) -> Any:
    """A model with a training step of its own, which reports what Keras does not know."""
    import keras

    class Counting(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            return {**super().train_step(data), "own": 7.0}

    inner = build(trial)
    return Counting(inner.inputs, inner.outputs)


def compiled(make: Any, **options: Any) -> Any:
    model = build_model(replace(MODEL, build=make), trial())
    model.compile("sgd", MODEL.loss, metrics=["accuracy"], **options)
    create_variables(model, digits().y_train)
    return model


def test_a_models_own_step_or_mode_is_left_to_keras() -> None:
    assert is_plain(compiled(build))
    assert not is_plain(compiled(build_counting))
    assert not is_plain(compiled(build, run_eagerly=True))
    assert not is_plain(compiled(build, jit_compile=True))
    clear_worker()


def test_a_training_step_of_its_own_is_what_trains() -> None:
    outcome, reports = run(replace(MODEL, build=build_counting), epochs=2)
    assert (outcome.ending, outcome.error) == (Ending.FINISHED, None)
    assert [metrics["own"] for metrics in reports.metrics] == [7.0, 7.0]
    assert {"loss", "val_accuracy"} <= reports.metrics[0].keys()


def test_the_model_is_left_as_it_was() -> None:
    model = compiled(build)
    with whole_epochs(model, steps=5):
        assert model.steps_per_execution == 5
        assert model.train_function is not None
    assert model.steps_per_execution == 1
    assert model.train_function is model.test_function is None
    clear_worker()


def test_a_trained_model_evaluates_predicts_and_trains_on_other_data() -> None:
    data = digits()
    model = train_model(MODEL, trial(epochs=1))
    loss, accuracy = model.evaluate(data.x_val, data.y_val, batch_size=7, verbose=0)
    predicted = model.predict(data.x_val, batch_size=7, verbose=0)
    assert accuracy == np.float32((predicted.argmax(1) == data.y_val).mean())
    model.fit(data.x_val, data.y_val, batch_size=10, verbose=0)
    assert int(model.optimizer.iterations) == 5 + 10
    assert np.isfinite(loss)
    clear_worker()

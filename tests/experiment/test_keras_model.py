"""What a KerasModel refuses at once, which every trial would fail of."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.experiment.keras_model import KerasModel
from tuner.runner.resolve import load_asked


class Loss:
    """What one of Keras' losses is: it wants targets and predictions."""

    def __call__(self, y: Any, predicted: Any, sample_weight: Any = None) -> float:
        return 0.0


class Model:
    """What a model that was built is."""

    layers = ()

    def __call__(self, x: Any) -> Any:
        return x


def of_trial(trial: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer: 'sgd' must be .*; give optimizer=lambda trial"),
        ({"loss": Loss()}, "loss: .*Loss object .* must be a function of the trial; give loss="),
        ({"loss": Loss().__call__}, "loss: .* must be a function of the trial; give loss="),
        ({"build": Model()}, "build: .*Model object .* must be a function of the trial"),
        ({"build": lambda: None}, "build: .* must be a function of the trial; give build=lambda"),
        ({"callbacks": [object()]}, "callbacks: .* must be a function of the trial"),
        ({"metrics": "mae"}, r"metrics: 'mae' must be a list of names; give \['mae'\]"),
    ],
)
def test_what_is_no_function_of_the_trial_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        KerasModel(**{"build": of_trial, "optimizer": of_trial, **changes})


def test_what_takes_a_trial_is_taken() -> None:
    for given in (of_trial, lambda trial, more=1: None, dict):
        KerasModel(of_trial, of_trial, loss=given, metrics=given, callbacks=given)  # type: ignore[arg-type]
    KerasModel(of_trial, of_trial, loss="mse", metrics=["mae"], callbacks=None)


def test_a_declared_models_experiment_was_made_where_its_build_was() -> None:
    declared = Experiment("mine", {}, KerasModel(of_trial, of_trial), dataset=None)
    assert load_asked(declared, {}).source.where == __name__

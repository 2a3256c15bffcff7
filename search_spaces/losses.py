"""Categorical cross-entropy, squared error or binary cross-entropy: which loss learns classes best?

All three compare the softmax with one-hot targets. Their values cannot be compared, so all are
judged by categorical accuracy, named in full: of "accuracy" Keras makes what it guesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces._models import batch_size, mlp, sgd
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int

if TYPE_CHECKING:
    from tuner.trial.trial import Trial


def loss(trial: Trial) -> str:
    return str(trial["loss"])


EXPERIMENT = Experiment(
    name="losses",
    space={
        "loss": Categorical(
            ["categorical_crossentropy", "mean_squared_error", "binary_crossentropy"]
        ),
        "learning_rate": Float(1e-3, 10.0, log=True, grid=[0.01, 0.1, 1.0]),
        "momentum": 0.8,
        "batch_size": 32,
        "epochs": Int(3, 27, grid=[9]),
    },
    objective=KerasModel(
        build=mlp,
        optimizer=sgd,
        loss=loss,
        metrics=["categorical_accuracy"],
        batch_size=batch_size,
        targets="one_hot",
    ),
    metric="val_categorical_accuracy",
)

"""What the experiments share: the course lab's network, and how many updates an epoch has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial


def mlp(trial: Trial) -> keras.Model:
    """Input-64-64-classes with ReLU and softmax.

    Parameters, where the trial has them: `initializer` of all three kernels (else Keras' own,
    glorot_uniform), `dropout` after each hidden layer (else none).
    """
    import keras
    from keras import layers

    initializer = trial.get("initializer", "glorot_uniform")
    dropout = trial.get("dropout", 0.0)
    stack = [keras.Input(trial.data.input_shape), layers.Flatten()]
    for _ in range(2):
        stack.append(layers.Dense(64, "relu", kernel_initializer=initializer))
        if dropout:
            stack.append(layers.Dropout(dropout))
    stack.append(layers.Dense(trial.data.n_classes, "softmax", kernel_initializer=initializer))
    return keras.Sequential(stack)


def sgd(trial: Trial) -> keras.optimizers.Optimizer:
    """SGD with the trial's `learning_rate` and `momentum`."""
    import keras

    return keras.optimizers.SGD(trial["learning_rate"], momentum=trial["momentum"])


def batch_size(params: Mapping[str, Any]) -> int:
    """Samples in a batch: the parameter `batch_size`."""
    return int(params["batch_size"])


def updates_per_epoch(trial: Trial) -> int:
    """How many batches an epoch has, the last and smaller one included."""
    return math.ceil(len(trial.data.train) / batch_size(trial))

"""A declared model in a file of its own: workers import Keras for a file that imports it."""

from __future__ import annotations

from typing import Any


def small_network(trial: Any) -> Any:
    import keras

    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])


def plain_sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(0.1)

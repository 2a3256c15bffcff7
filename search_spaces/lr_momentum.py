"""Which learning rate, momentum and decay train a small MLP best with SGD?

The network is input-64-64-classes. The learning rate falls with every update as Keras' old
argument `decay` had it: learning_rate / (1 + decay * updates).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

INITIALIZERS = [
    "random_uniform",
    "lecun_uniform",
    "random_normal",
    "zeros",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
]


def build(trial: Trial) -> keras.Model:
    import keras
    from keras import layers

    initializer = trial["initializer"]
    return keras.Sequential(
        [
            keras.Input(trial.data.input_shape),
            layers.Flatten(),
            layers.Dense(64, "relu", kernel_initializer=initializer),
            layers.Dense(64, "relu", kernel_initializer=initializer),
            layers.Dense(trial.data.n_classes, "softmax", kernel_initializer=initializer),
        ]
    )


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    import keras

    rate = keras.optimizers.schedules.InverseTimeDecay(
        trial["learning_rate"], decay_steps=1, decay_rate=trial["decay"]
    )
    return keras.optimizers.SGD(rate, momentum=trial["momentum"], nesterov=trial["nesterov"])


def batch_size(params: Mapping[str, Any]) -> int:
    return int(params["batch_size"])


EXPERIMENT = Experiment(
    name="lr_momentum",
    description="Which learning rate, momentum and decay train a small MLP best with SGD?",
    space={
        "learning_rate": Float(1e-4, 1.0, log=True, grid=[1e-3, 1e-2, 1e-1]),
        "momentum": Float(0.0, 0.99, grid=[0.0, 0.5, 0.9]),
        "nesterov": Categorical([False, True]),
        "decay": Float(0.0, 0.01, grid=[0.0, 0.001]),
        "epochs": Int(3, 27, grid=[9, 27]),
        "batch_size": Int(16, 256, log=True, grid=[32, 128]),
        "initializer": Categorical(INITIALIZERS),
    },
    objective=KerasModel(build=build, optimizer=optimizer, batch_size=batch_size),
    sampler="tpe",
    scheduler="asha",
    trials=24,
)

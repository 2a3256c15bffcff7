"""How should the learning rate fall while SGD trains: not, smoothly, in steps, or in waves?

Five schedules from the same first rate, each with parameters of its own; t counts updates, T
epochs.

- constant: rate
- inverse_time: rate / (1 + decay t), Keras' old argument `decay`
- exponential: rate e^(-k T), set at each epoch's begin by the callback LearningRateScheduler
- step: rate * drop^floor(T / every)
- warm_restarts: half a cosine from rate to 0 in `cycle` epochs, then again from the full rate,
  each cycle `growth` times as long (Loshchilov, Hutter: SGDR, 2017)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from search_spaces._models import batch_size, mlp, updates_per_epoch
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

SCHEDULES = ["constant", "inverse_time", "exponential", "step", "warm_restarts"]


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    import keras
    from keras.optimizers import schedules

    rate = trial["learning_rate"]
    match trial["schedule"]:
        case "inverse_time":
            rate = schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=trial["decay"])
        case "step":
            updates = trial["every"] * updates_per_epoch(trial)
            rate = schedules.ExponentialDecay(rate, updates, trial["drop"], staircase=True)
        case "warm_restarts":
            updates = trial["cycle"] * updates_per_epoch(trial)
            rate = schedules.CosineDecayRestarts(rate, updates, t_mul=trial["growth"])
    return keras.optimizers.SGD(rate, momentum=trial["momentum"])


def callbacks(trial: Trial) -> list[keras.callbacks.Callback]:
    import keras

    if trial["schedule"] != "exponential":
        return []
    rate, k = trial["learning_rate"], trial["k"]
    return [keras.callbacks.LearningRateScheduler(lambda epoch: rate * math.exp(-k * epoch))]


EXPERIMENT = Experiment(
    name="lr_schedules",
    space={
        "schedule": Categorical(SCHEDULES),
        "learning_rate": Float(1e-3, 1.0, log=True, grid=[0.03, 0.1]),
        "decay": Float(1e-5, 1e-1, log=True, grid=[1e-4, 1e-3], when={"schedule": "inverse_time"}),
        "k": Float(0.01, 1.0, log=True, grid=[0.05, 0.1], when={"schedule": "exponential"}),
        "drop": Float(0.1, 0.9, grid=[0.5], when={"schedule": "step"}),
        "every": Int(1, 10, grid=[3, 6], when={"schedule": "step"}),
        "cycle": Int(1, 10, grid=[3, 6], when={"schedule": "warm_restarts"}),
        "growth": Categorical([1.0, 2.0], when={"schedule": "warm_restarts"}),
        "momentum": 0.8,
        "batch_size": 32,
        "epochs": Int(3, 27, grid=[18]),
    },
    objective=KerasModel(
        build=mlp, optimizer=optimizer, batch_size=batch_size, callbacks=callbacks
    ),
    trials=48,
)

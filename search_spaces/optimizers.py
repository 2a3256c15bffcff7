"""SGD, RMSprop or Adam, each with its own parameters: which trains a small MLP best?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces._models import batch_size, mlp
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    from keras import optimizers

    rate = trial["learning_rate"]
    match trial["optimizer"]:
        case "sgd":
            return optimizers.SGD(rate, momentum=trial["momentum"], nesterov=trial["nesterov"])
        case "rmsprop":
            return optimizers.RMSprop(rate, rho=trial["rho"])
        case _:
            return optimizers.Adam(rate, beta_1=trial["beta_1"], beta_2=trial["beta_2"])


EXPERIMENT = Experiment(
    name="optimizers",
    space={
        "optimizer": Categorical(["sgd", "rmsprop", "adam"]),
        "learning_rate": Float(1e-4, 1.0, log=True, grid=[0.001, 0.01, 0.1]),
        "momentum": Float(0.0, 0.99, grid=[0.0, 0.9], when={"optimizer": "sgd"}),
        "nesterov": Categorical([False, True], when={"optimizer": "sgd"}),
        "rho": Float(0.5, 0.999, grid=[0.9, 0.99], when={"optimizer": "rmsprop"}),
        "beta_1": Float(0.0, 0.99, grid=[0.9], when={"optimizer": "adam"}),
        "beta_2": Float(0.9, 0.9999, grid=[0.99, 0.999], when={"optimizer": "adam"}),
        "batch_size": Int(16, 256, log=True, grid=[32]),
        "epochs": Int(3, 27, grid=[9]),
    },
    objective=KerasModel(build=mlp, optimizer=optimizer, batch_size=batch_size),
    trials=48,
)

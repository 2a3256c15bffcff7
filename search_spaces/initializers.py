"""Which of Keras' initializers gives a small MLP with dropout the best start?

The course lab's table: input-64-64-classes, dropout 0.5 after each hidden layer, RMSprop, batches
of 128, 10 epochs, every initializer on the same three folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces._models import batch_size, mlp
from search_spaces.lr_momentum import INITIALIZERS
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    import keras

    return keras.optimizers.RMSprop(trial["learning_rate"])


EXPERIMENT = Experiment(
    name="initializers",
    space={
        "initializer": Categorical(INITIALIZERS),
        "dropout": 0.5,
        "learning_rate": 0.001,
        "batch_size": 128,
        "epochs": 10,
    },
    objective=KerasModel(build=mlp, optimizer=optimizer, batch_size=batch_size),
    mode="cv",
    folds=3,
)

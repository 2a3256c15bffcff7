"""How do learning rate, momentum and the number of epochs trade against each other?

The course lab's closing exercise. By default every point of the grid is run; `--mode search` lets
a sampler look between them. Nothing but the end of the training depends on `epochs`, so grid
points that differ in it alone share one training to the longest.
"""

from __future__ import annotations

from search_spaces._models import batch_size, mlp, sgd
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Float, Int

EXPERIMENT = Experiment(
    name="epochs_lr",
    space={
        "learning_rate": Float(1e-3, 1.0, log=True, grid=[0.001, 0.01, 0.1]),
        "momentum": Float(0.0, 0.99, grid=[0.1, 0.3, 0.5, 0.7, 0.9]),
        "epochs": Int(1, 40, grid=[5, 10, 20, 40]),
        "batch_size": 32,
    },
    objective=KerasModel(build=mlp, optimizer=sgd, batch_size=batch_size),
    mode="grid",
)

"""How much of a result is luck? The same parameters from many random initial weights.

`restart` is a number without a meaning: as part of the point it gives each trial a seed, and so
initial weights and an order of samples, of its own. `schedule` compares a constant learning rate
with cosine waves, which restart the rate, not the weights, every `cycle` epochs. The spread:

    trials = pd.read_parquet("results/random_restarts/trials.parquet")
    trials.groupby("param_schedule")["value"].describe()

`python -m tuner refit results/random_restarts` keeps the best: it starts from the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces._models import batch_size, mlp, updates_per_epoch
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Int

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    import keras

    rate = trial["learning_rate"]
    if trial["schedule"] == "warm_restarts":
        updates = trial["cycle"] * updates_per_epoch(trial)
        rate = keras.optimizers.schedules.CosineDecayRestarts(rate, updates, t_mul=1.0)
    return keras.optimizers.SGD(rate, momentum=trial["momentum"])


EXPERIMENT = Experiment(
    name="random_restarts",
    space={
        "restart": Int(0, 19, grid=range(20)),
        "schedule": Categorical(["constant", "warm_restarts"]),
        "cycle": Int(1, 10, grid=[3], when={"schedule": "warm_restarts"}),
        "learning_rate": 0.1,
        "momentum": 0.8,
        "batch_size": 32,
        "epochs": 12,
    },
    objective=KerasModel(build=mlp, optimizer=optimizer, batch_size=batch_size),
    mode="grid",
)

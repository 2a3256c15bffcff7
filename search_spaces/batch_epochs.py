"""Is a larger batch worse, or does it only get fewer updates?

Batches of 16 to 256, twice: at a fixed number of samples seen (`fixed` "samples": all train
`epochs_at_32` epochs), and at a fixed number of updates (`fixed` "updates": a batch twice as
large trains twice as many epochs). Trials train for different numbers of epochs, so none is
stopped early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_spaces._models import batch_size, mlp, sgd
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float, Int


def epochs(params: Mapping[str, Any]) -> int:
    """Epochs at which a batch of this size has seen its samples, or made its updates."""
    share: float = params["batch_size"] / 32 if params["fixed"] == "updates" else 1
    at_32: int = params["epochs_at_32"]
    return max(1, round(at_32 * share))


EXPERIMENT = Experiment(
    name="batch_epochs",
    space={
        "fixed": Categorical(["samples", "updates"]),
        "batch_size": Int(16, 256, log=True, grid=[16, 32, 64, 128, 256]),
        "learning_rate": Float(1e-3, 1.0, log=True, grid=[0.03, 0.1, 0.3]),
        "momentum": 0.0,
        "epochs_at_32": 8,
    },
    objective=KerasModel(build=mlp, optimizer=sgd, batch_size=batch_size, epochs=epochs),
    mode="grid",
    scheduler="none",
)

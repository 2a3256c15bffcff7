"""The experiments of the fault campaign: what its trials do, and how they are told to break.

A file named after a fault in the folder that FAULTS_FOLDER names is an order: the trial that takes
it away breaks so, once. Two values of the axis `a` break by themselves, every time: FAILS raises,
DIVERGES reports NaN.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

FOLDER = "FAULTS_FOLDER"
FAILS, DIVERGES = 7, 3
EPOCHS, EPOCH_S, LANE_EPOCHS = 4, 0.12, 20
ROOM = 64 << 20
SPACE: dict[str, Any] = {"x": Float(0, 1), "a": Categorical(list(range(12)))}


def train(trial: Trial) -> None:
    """Report slowly, and obey the orders."""
    for epoch in range(1, EPOCHS + 1):
        time.sleep(EPOCH_S)
        obey(trial)
        score = float("nan") if trial["a"] == DIVERGES else trial["x"] * epoch + trial.fold
        if trial.report(epoch, {"score": score}):
            return


def network(trial: Trial) -> keras.Model:
    """A tiny network; building it takes as long as an epoch of `train`."""
    import keras

    time.sleep(EPOCH_S)
    obey(trial)
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])


def sgd(trial: Trial) -> keras.optimizers.Optimizer:
    import keras

    return keras.optimizers.SGD(1e38 if trial["a"] == DIVERGES else 0.01 + 0.1 * trial["x"])


def obey(trial: Trial) -> None:
    """Raise for a point that always fails, and where an order says so."""
    if trial["a"] == FAILS:
        raise RuntimeError("this point always fails")
    if _take("raise"):
        raise RuntimeError("a fault of the campaign")
    if _take("memory"):
        exhaust_memory()


def exhaust_memory() -> None:
    """Ask for more than this process may have: MemoryError, and no danger to the machine."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, before[1]))
    try:
        bytearray(8 * ROOM)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _take(order: str) -> bool:
    try:
        (Path(os.environ[FOLDER]) / order).unlink()
    except FileNotFoundError:
        return False
    return True


FUNCTION = Experiment(
    name="faults", space={**SPACE, "epochs": EPOCHS}, objective=train, metric="score",
)  # fmt: skip
LANES = Experiment(
    name="faults",
    space={**SPACE, "epochs": LANE_EPOCHS},
    objective=KerasModel(build=network, optimizer=sgd, batch_size=32),
    metric="val_loss",  # of a network whose weights are NaN the accuracy is a number
)

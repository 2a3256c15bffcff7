"""What it saves that a confirmation goes on in the search's trainers, with their programs.

    python -m benchmarks.warm_confirm [--runs 3] [--engines ray_tune fused]

A search of 8 trials on digits, and its best three again on five new splits, 15 trainings: with new
trainers, and with the search's own. Printed are the seconds from the search's last report to the
confirmation's, the two by turns, and the medians.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import pandas as pd

import tuner
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Float, Int
from tuner.trial.trial import Trial

SPACE: dict[str, Any] = {
    "learning_rate": Float(1e-3, 0.5, log=True),
    "momentum": Float(0.0, 0.95),
    "epochs": Int(1, 10),
}


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(32, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )


def sgd(trial: Trial) -> Any:
    import keras

    return keras.optimizers.SGD(trial["learning_rate"], momentum=trial["momentum"])


def seconds(engine: str, *, warm: bool, folder: Path) -> float:
    """From the end of the search's last training to that of the confirmation's."""
    experiment = Experiment(
        "warm",
        SPACE,
        KerasModel(build=build, optimizer=sgd, batch_size=32),
        dataset="digits",
        engine=engine,
        trials=8,
        concurrency=2,
        confirm=3,
        confirm_seeds=5,
    )
    # A trainer without a name is left to nobody, and taken from nobody.
    nameless = patch("tuner.engines.shipping._name_of", return_value="")
    how: AbstractContextManager[Any] = nullcontext() if warm else nameless
    with how:
        tuner.run(experiment, results=folder, quiet=True)
    ended = [_end(folder / name) for name in ("warm", "warm-confirmed")]
    return float((ended[1] - ended[0]).total_seconds())


def _end(study: Path) -> Any:
    trials = pd.read_parquet(study / "trials.parquet")
    return (trials["started_at"] + pd.to_timedelta(trials["duration_s"], "s")).max()


def main() -> None:
    """Run both by turns, and print what each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engines", nargs="+", default=["ray_tune", "fused"])
    options = parser.parse_args()
    for engine in options.engines:
        took: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(options.runs):
            for warm in took:
                with tempfile.TemporaryDirectory() as folder:
                    took[warm].append(seconds(engine, warm=warm, folder=Path(folder)))
        for warm, each in took.items():
            who = "the search's trainers" if warm else "new trainers"
            all_of = ", ".join(f"{one:.1f}" for one in each)
            print(f"{engine}, {who}: median {median(each):.1f} s ({all_of})", flush=True)


if __name__ == "__main__":
    main()

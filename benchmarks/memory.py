"""What 500 short Keras trials leave behind in the memory of the one worker that runs them.

    python -m benchmarks.memory [--trials 500] [--engines ray_tune fused]

A network of one hidden layer on digits, an epoch a trial. The figure is the highest RSS of the
worker's process until then, in MB, as the column `peak_rss_mb` of `trials.parquet` keeps it.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import TYPE_CHECKING

import pandas as pd

import tuner

if TYPE_CHECKING:
    import keras

    from tuner.trial import Trial


def build(trial: Trial) -> keras.Model:
    """A small network."""
    import keras

    hidden = keras.layers.Dense(32, activation="relu")
    out = keras.layers.Dense(10, activation="softmax")
    return keras.Sequential([keras.layers.Flatten(), hidden, out])


def optimizer(trial: Trial) -> keras.optimizers.Optimizer:
    """Adam with the trial's learning rate."""
    import keras

    return keras.optimizers.Adam(trial["learning_rate"])


EXPERIMENT = tuner.Experiment(
    name="memory",
    space={"learning_rate": tuner.Float(1e-4, 1e-1, log=True), "epochs": 1},
    objective=tuner.KerasModel(build, optimizer, batch_size=128),
    sampler="random",
    scheduler="none",
)


def series(engine: str, trials: int) -> pd.Series:
    """The worker's highest RSS after so many trials, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        results = tuner.run(EXPERIMENT, results=folder, trials=trials, engine=engine, concurrency=1)
    peaks = results.trials.sort_values("trial")["peak_rss_mb"].cummax()
    marks = [1, 10, 50, *range(100, trials + 1, 100)]
    return pd.Series({n: peaks.iloc[n - 1] for n in marks if n <= trials}, name=engine)


def main() -> None:
    """A row a number of trials, a column an engine."""
    parser = argparse.ArgumentParser(description="A worker's memory over many short trials.")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--engines", nargs="+", default=["ray_tune", "fused"])
    options = parser.parse_args()
    table = pd.concat([series(engine, options.trials) for engine in options.engines], axis=1)
    print(table.rename_axis("trials").round(0).to_string())


if __name__ == "__main__":
    main()

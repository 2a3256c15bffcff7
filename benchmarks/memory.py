"""What one worker holds over many short Keras trials: is it flat?

    python -m benchmarks.memory [--trials 500] [--engines ray_tune fused]

One worker trains a tiny network on digits, an epoch a trial. "rss_mb" is what it held as it built
that trial's model, "peak_rss_mb" the most it had held by the trial's end, as the table has it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import tuner

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

LOG = "MEMORY_LOG"
POINTS = 10


def network(trial: Trial) -> keras.Model:
    """A tiny network; before it is built, note what this process holds."""
    import keras

    pages = int(Path("/proc/self/statm").read_text().split()[1])
    with Path(os.environ[LOG]).open("a") as log:
        print(trial.number, os.getpid(), pages * os.sysconf("SC_PAGE_SIZE") / 2**20, file=log)
    return keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(16), keras.layers.Dense(10, "softmax")]
    )


def sgd(trial: Trial) -> keras.optimizers.Optimizer:
    import keras

    return keras.optimizers.SGD(trial["rate"])


def measure(engine: str, trials: int) -> pd.DataFrame:
    """A row a point in time; raises AssertionError where more than one worker was needed."""
    experiment = tuner.Experiment(
        name="memory", space={"rate": tuner.Float(0.01, 0.3), "epochs": 1},
        objective=tuner.KerasModel(build=network, optimizer=sgd, batch_size=128), engine=engine,
        sampler="random", scheduler="none", trials=trials, concurrency=1,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        os.environ[LOG] = str(Path(folder) / "rss")
        table = tuner.run(experiment, results=folder).trials.set_index("trial")
        lines = [line.split() for line in Path(os.environ[LOG]).read_text().splitlines()]
    assert len({pid for _, pid, _ in lines}) == 1
    rss = {int(trial): float(mb) for trial, _, mb in lines}  # the last of a trial counts
    at = [n - 1 for n in range(trials // POINTS, trials + 1, trials // POINTS)]
    return pd.DataFrame(
        {
            "engine": engine,
            "trials": [n + 1 for n in at],
            "rss_mb": [rss[n] for n in at],
            "peak_rss_mb": table.loc[at, "peak_rss_mb"].tolist(),
        }
    )


def main() -> None:
    """The series of both engines, and what each grew by from the first point to the last."""
    parser = argparse.ArgumentParser(description="What one worker holds over many trials.")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--engines", nargs="+", default=["ray_tune", "fused"])
    options = parser.parse_args()
    grown = {}
    for engine in options.engines:
        rows = measure(engine, options.trials)
        print(rows.round(1).to_string(index=False), flush=True)
        grown[engine] = round(float(rows["rss_mb"].iloc[-1] - rows["rss_mb"].iloc[0]), 1)
    print(json.dumps({"grown_mb": grown}))


if __name__ == "__main__":
    main()

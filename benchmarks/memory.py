"""What one worker holds over many short Keras trials: is it flat? And what does one more cost?

    python -m benchmarks.memory [--trials 500] [--engines ray_tune fused] [--workers 3]

One worker trains a tiny network on digits, an epoch a trial. "rss_mb" is what it held as it built
that trial's model, "peak_rss_mb" the most it had held by the trial's end, as the table has it.
Then several workers train beside each other: "private_mb" is what no other process shares, of the
one that forks them all, of an actor, and of its trainer; a worker is the last two.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psutil

import tuner
from tuner.forks.memory import private_mb

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

LOG = "MEMORY_LOG"
POINTS = 10
LOOK_S = 1.0
ACTORS = ("ray::Worker", "ray::LaneActor")
TRAINER = "tuner-trainer"


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


def experiment_of(engine: str, trials: int, workers: int) -> tuner.Experiment:
    """Short trials of a tiny network."""
    return tuner.Experiment(
        name="memory", space={"rate": tuner.Float(0.01, 0.3), "epochs": 1},
        objective=tuner.KerasModel(build=network, optimizer=sgd, batch_size=128), engine=engine,
        sampler="random", scheduler="none", trials=trials, concurrency=workers,
    )  # fmt: skip


def measure(engine: str, trials: int) -> pd.DataFrame:
    """A row a point in time; raises AssertionError where more than one worker was needed."""
    experiment = experiment_of(engine, trials, 1)
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


def beside(engine: str, workers: int) -> dict[str, float]:
    """The most private MB that an actor, a trainer and their server held, the mean of each kind."""
    held: dict[str, dict[int, float]] = {"actor": {}, "trainer": {}, "server": {}}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            for process in psutil.process_iter(["pid", "ppid", "name"]):  # all that run here
                pid, parent, name = (process.info[key] for key in ("pid", "ppid", "name"))
                kind = "trainer" if name == TRAINER else "actor"
                if name == TRAINER or name.startswith(ACTORS):
                    held[kind][pid] = max(held[kind].get(pid, 0.0), private_mb(pid))
                if name == TRAINER:
                    held["server"][parent] = max(
                        held["server"].get(parent, 0.0), private_mb(parent)
                    )

    looker = threading.Thread(target=look)
    looker.start()
    with tempfile.TemporaryDirectory() as folder:
        os.environ[LOG] = str(Path(folder) / "rss")
        tuner.run(experiment_of(engine, 40 * workers, workers), results=folder)
    ended.set()
    looker.join()
    means = {kind: sum(of.values()) / max(1, len(of)) for kind, of in held.items()}
    return {**means, "worker": means["actor"] + means["trainer"]}


def main() -> None:
    """The series of both engines, what each grew by from the first point to the last, and what a
    worker more holds."""
    parser = argparse.ArgumentParser(description="What one worker holds over many trials.")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--engines", nargs="+", default=["ray_tune", "fused"])
    parser.add_argument("--workers", type=int, default=3)
    options = parser.parse_args()
    grown, private = {}, {}
    for engine in options.engines:
        rows = measure(engine, options.trials)
        print(rows.round(1).to_string(index=False), flush=True)
        grown[engine] = round(float(rows["rss_mb"].iloc[-1] - rows["rss_mb"].iloc[0]), 1)
        found = beside(engine, options.workers)
        private[engine] = {kind: round(mb, 1) for kind, mb in found.items()}
    print(json.dumps({"grown_mb": grown, "private_mb": private}))


if __name__ == "__main__":
    main()

"""A population against ASHA and against Ray Tune's own, at equal epochs.

    python -m benchmarks.pbt --data mnist.npz --members 8 16

Each trains so many epochs as its members have together; what counts is the best validation accuracy
that any report has had by then. `random` is the same population without exchanging weights. A quick
form: --data digits --rows 300 --epochs 4 --interval 1 --members 4 --who pbt random.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import tuner
from tuner.data.datasets import Dataset, load
from tuner.data.splits import Splits, cell_data
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.search_space.axes import Categorical, Float
from tuner.trial.trial import Trial

SPACE: dict[str, Any] = {
    "learning_rate": Float(1e-4, 1.0, log=True),
    "momentum": Float(0.0, 0.99),
    "dropout": Float(0.0, 0.7),
    "batch_size": Categorical([16, 32, 64, 128, 256]),
}
WHO = ("pbt", "asha", "random", "ray")


class Found(NamedTuple):
    """The best validation accuracy, after how many epochs in all, in how many seconds."""

    best: float
    epochs: int
    seconds: float


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(trial.data.x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(64, "relu"),
            layers.Dropout(trial["dropout"]),
            layers.Dense(64, "relu"),
            layers.Dense(10, "softmax"),
        ]
    )


def sgd(trial: Trial) -> Any:
    import keras

    return keras.optimizers.SGD(trial["learning_rate"], momentum=trial["momentum"])


def batch_size(params: Mapping[str, Any]) -> int:
    return int(params["batch_size"])


MODEL = KerasModel(build=build, optimizer=sgd, batch_size=batch_size)


def rows_of(data: str, rows: int) -> Dataset:
    """The first rows of the training part."""
    whole = load(data)
    return Dataset(
        whole.name,
        whole.x_train[:rows],
        whole.y_train[:rows],
        whole.x_test[:10],
        whole.y_test[:10],
        n_classes=whole.n_classes,
    )


def ours(who: str, args: argparse.Namespace, members: int, seed: int, folder: str) -> Found:
    """The population, ASHA, or trials that nobody stops, by our own engine."""
    budget = members * args.epochs
    how: dict[str, Any] = {
        "pbt": {"scheduler": "pbt", "members": members, "interval": args.interval},
        # As many trials as the budget could feed; what comes after it does not count.
        "asha": {"scheduler": "asha", "sampler": "random", "trials": budget // 2},
        "random": {"scheduler": "none", "sampler": "random", "trials": members},
    }[who]
    experiment = Experiment(
        f"{who}-{members}-{seed}",
        {**SPACE, "epochs": args.epochs},
        MODEL,
        dataset=partial(rows_of, args.data, args.rows),
        engine="ray_tune",
        keep_models=0,
        seed=seed,
        **how,
    )
    began = time.monotonic()
    results = tuner.run(experiment, results=folder, concurrency=args.workers, quiet=True)
    seconds = time.monotonic() - began
    reports = results.reports.sort_values("order").head(budget)
    return Found(float(reports["val_accuracy"].max()), len(reports), seconds)


def rays(args: argparse.Namespace, members: int, seed: int, folder: str) -> Found:
    """Ray Tune's PopulationBasedTraining, on the very same split."""
    data = cell_data(rows_of(args.data, args.rows), Splits(seed=seed))
    file, result = Path(folder) / "data.npz", Path(folder) / "result.json"
    np.savez(file, x_train=data.x_train, y_train=data.y_train, x_val=data.x_val, y_val=data.y_val)
    script = Path(__file__).parent / "peers" / "ray_tune_pbt.py"
    numbers = (members, args.epochs, args.interval, seed, args.workers)
    began = time.monotonic()
    subprocess.run(
        [sys.executable, str(script), str(file), str(result), *map(str, numbers)],
        check=True,
        capture_output=True,
    )
    found = json.loads(result.read_text())
    return Found(found["best"], found["epochs"], time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits", help="digits, or an .npz in Keras' layout")
    parser.add_argument("--members", type=int, nargs="+", default=[8])
    parser.add_argument("--rows", type=int, default=4000, help="rows of the training part")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--interval", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--who", nargs="+", choices=WHO, default=list(WHO))
    args = parser.parse_args()
    rows = []
    for members in args.members:
        for seed in range(args.seeds):
            for who in args.who:
                with tempfile.TemporaryDirectory() as folder:
                    found = (
                        rays(args, members, seed, folder)
                        if who == "ray"
                        else ours(who, args, members, seed, folder)
                    )
                rows.append({"who": who, "members": members, "seed": seed, **found._asdict()})
                print(
                    f"{who}, {members} members, seed {seed}: {found}", file=sys.stderr, flush=True
                )
    frame = pd.DataFrame(rows)
    print("| who | members | seeds | best val_accuracy | epochs | seconds |")
    print("|---|---|---|---|---|---|")
    for (members, who), part in frame.groupby(["members", "who"], sort=False):
        print(
            f"| {who} | {members} | {len(part)} | {part['best'].mean():.4f} "
            f"| {part['epochs'].mean():.0f} | {part['seconds'].mean():.0f} |"
        )


if __name__ == "__main__":
    main()

"""What schedulers find on a recorded grid, at what cost: every one of them on the same curves.

    python -m benchmarks.schedulers --data mnist.npz [--folder results] [--seeds 20]

Records a full grid once (lr_momentum's network; 240 configurations, 20 epochs each, on a
12,000-sample part of the data), or takes the one that the folder has. Then replays it, as
`tuner simulate` does, with every scheduler at 1, 4, 16 and 64 workers, and prints a row each:
epochs spent and regret (accuracy lost against the grid's best), medians over seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import tuner
from analysis.replay import record, simulate, summarise
from tuner.search_space.axes import Categorical

SAMPLES = 12_000
TEST_SAMPLES = 2_000
SPACE = {
    "learning_rate": Categorical([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]),
    "momentum": Categorical([0.0, 0.5, 0.8, 0.9, 0.99]),
    "decay": Categorical([0.0, 0.001, 0.01]),
    "batch_size": Categorical([32, 128]),
    "nesterov": False,
    "initializer": "glorot_uniform",
    "epochs": 20,
}
SETTINGS = [
    ("none", 3),
    ("asha", 2),
    ("asha", 3),
    ("asha", 4),
    ("median", 3),
    ("hyperband", 3),
    ("one-epoch", 3),
]


def recorded(data: Path, folder: Path) -> tuner.Results:
    """The grid's results, trained now if the folder has none."""
    if (folder / "lr_momentum").exists():
        return tuner.load(folder / "lr_momentum")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part.npz"
    with np.load(data) as whole:
        np.savez(
            part,
            x_train=whole["x_train"][:SAMPLES],
            y_train=whole["y_train"][:SAMPLES],
            x_test=whole["x_test"][:TEST_SAMPLES],
            y_test=whole["y_test"][:TEST_SAMPLES],
        )
    return tuner.run(
        "lr_momentum", space=SPACE, mode="grid", dataset=str(part), results=folder, quiet=False
    )


def main() -> None:
    """Record the grid if need be, and print the table."""
    parser = argparse.ArgumentParser(description="Schedulers on one recorded grid.")
    parser.add_argument("--data", type=Path, required=True, help="an .npz such as mnist.npz")
    parser.add_argument("--folder", type=Path, default=Path("results/grid"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64])
    options = parser.parse_args()
    results = recorded(options.data, options.folder)
    table = record(results)
    runs = [
        simulate(table, scheduler=name, eta=eta, workers=workers, seeds=options.seeds)
        for workers in options.workers
        for name, eta in SETTINGS
    ]
    with pd.option_context("display.width", 120):
        print(f"{len(results.trials)} configurations, {len(results.reports)} epochs recorded")
        print(summarise(pd.concat(runs)).drop(columns="sampler").round(4).to_string(index=False))


if __name__ == "__main__":
    main()

"""Seconds a trial-epoch: lanes against `fit` as everybody writes it, and against our own fit.

    python -m benchmarks.lanes --data mnist.npz [--models mlp cnn lstm] [--lanes 1 2 4 6 8]

One thread each, one process a model, 60,000 samples (12,000 for cnn and lstm), no validation. Each
figure is the least of three epochs after the first, which traces.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SAMPLES = {"mlp": 60_000, "cnn": 12_000, "lstm": 12_000}
SETTINGS = "TUNER_LANES"


def build(kind: str, dropout: float) -> Callable[[Any], Any]:
    """The declared `build` of a network."""

    def mlp(trial: Any) -> Any:
        import keras
        from keras import layers

        drop = [layers.Dropout(dropout)] if dropout else []
        drop_2 = [layers.Dropout(dropout)] if dropout else []
        hidden = [layers.Dense(64, "relu"), *drop, layers.Dense(64, "relu"), *drop_2]
        return keras.Sequential(
            [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(10, "softmax")]
        )

    def cnn(trial: Any) -> Any:
        import keras
        from keras import layers

        return keras.Sequential(
            [
                keras.Input((28, 28)),
                layers.Reshape((28, 28, 1)),
                layers.Conv2D(8, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(10, "softmax"),
            ]
        )

    def lstm(trial: Any) -> Any:
        import keras
        from keras import layers

        return keras.Sequential(
            [keras.Input((28, 28)), layers.LSTM(32), layers.Dense(10, "softmax")]
        )

    return {"mlp": mlp, "cnn": cnn, "lstm": lstm}[kind]


def measure(data: str, kind: str, batch: int, dropout: float, lanes: list[int]) -> dict[str, float]:
    """One row, in this process."""
    from tuner.training.process import limit_threads

    limit_threads(1)
    import keras
    import psutil
    import tensorflow as tf

    from tuner.data.splits import Data, Part
    from tuner.experiment.experiment import KerasModel
    from tuner.lanes.lane import pool_of
    from tuner.lanes.lanes import Lanes
    from tuner.programs.fit import warm
    from tuner.training.declared import build_model
    from tuner.trial.cells import Cell, Decision
    from tuner.trial.trial import Trial

    tf.get_logger().setLevel("ERROR")
    with np.load(data) as arrays:
        x = (arrays["x_train"][: SAMPLES[kind]] / 255).astype(np.float32)
        y = arrays["y_train"][: SAMPLES[kind]].astype(np.int64)
    declared = KerasModel(
        build=build(kind, dropout),
        optimizer=lambda trial: keras.optimizers.SGD(0.05, momentum=0.8),
        batch_size=batch,
    )
    cut = Data(Part(x, y), Part(x[:1], y[:1]), 10)

    def trial(number: int) -> Trial:
        cell = Cell(number, 1, 0, {}, seed=number, epochs=9)
        return Trial(cell, lambda *report: Decision.CONTINUE, lambda: cut)

    def best(epoch: Callable[[], Any]) -> float:
        seconds = []
        for _ in range(4):
            started = time.perf_counter()
            epoch()
            seconds.append(time.perf_counter() - started)
        return min(seconds[1:])

    model = build_model(declared, trial(0))
    model.compile(declared.optimizer(trial(0)), declared.loss, metrics=["accuracy"])
    row = {"fit": best(lambda: model.fit(x, y, batch_size=batch, verbose=0))}
    with warm():
        model.compile(declared.optimizer(trial(0)), declared.loss, metrics=["accuracy"])
        row["program"] = best(lambda: model.fit(x, y, batch_size=batch, verbose=0))
    rows = np.arange(len(x), dtype=np.int32)
    for count in lanes:
        program = Lanes(declared, trial(0), pool_of(declared, x, y, 10), count)
        for lane in range(count):
            program.put(lane, trial(lane), rows, rows[:1])
        row[f"K={count}"] = best(program.epoch) / count
    row["MB"] = psutil.Process().memory_info().rss / 2**20
    return row


def main() -> None:
    """A row a model, batch size and dropout."""
    parser = argparse.ArgumentParser(description="Seconds a trial-epoch, lanes against fit.")
    parser.add_argument("--data", type=Path, required=True, help="an .npz such as mnist.npz")
    parser.add_argument("--models", nargs="+", choices=SAMPLES, default=["mlp"])
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 2, 4, 6, 8])
    options = parser.parse_args()
    if SETTINGS in os.environ:
        print(json.dumps(measure(**json.loads(os.environ[SETTINGS]))))
        return
    rows = []
    for kind in options.models:
        for batch in (32, 128):
            for dropout in (0.0, 0.2) if kind == "mlp" else (0.0,):
                about = {"kind": kind, "batch": batch, "dropout": dropout}
                settings = {"data": str(options.data), **about, "lanes": options.lanes}
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.lanes", "--data", str(options.data)],
                    env={**os.environ, SETTINGS: json.dumps(settings)},
                    stdout=subprocess.PIPE, text=True, check=True,
                )  # fmt: skip
                rows.append({**about, **json.loads(done.stdout.splitlines()[-1])})
                print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

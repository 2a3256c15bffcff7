"""The course lab's initializer table, by tuner and by what one would use without it.

    python -m benchmarks.cv [--data MNIST.npz] [--engine auto] [--only tuner grid_search_cv]
    python -m benchmarks.cv --samples 3000 --epochs 2       # a look, in a minute or two

An MLP with dropout, RMSprop, batches of 128, 10 epochs: 8 initializers on 3 folds of MNIST's 60,000
samples, 24 trainings. Each contender is a process of its own, timed whole, from its start to its
end; one after another, in the same run. Each of them trains on the same folds and keeps the same
table, mean and standard deviation of the validation accuracy. "Training alone" is what a training
takes one core, fit and judgement, as GridSearchCV and tuner's workers measure it; tuner's start and
compilation, once a worker, are in the line above it.

- tuner: `python -m tuner run initializers --mode cv`
- tuner_search_cv: `tuner.sklearn.search.TunerSearchCV`
- grid_search_cv: scikit-learn's GridSearchCV(n_jobs=-1) over Keras' SKLearnClassifier
- ray_tune_cv: a plain Ray Tune script, as its documentation has it
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.lr_momentum import INITIALIZERS

PEERS = Path(__file__).parent / "peers"
CONTENDERS = ("tuner", "tuner_search_cv", "grid_search_cv", "ray_tune_cv")
Table = dict[str, tuple[float, float]]
TRAININGS = 3 * len(INITIALIZERS)


def main() -> None:
    parser = argparse.ArgumentParser(description="The initializer table, by tuner and its peers.")
    parser.add_argument("--data", type=Path, default=os.environ.get("TUNER_MNIST"))
    parser.add_argument("--engine", default="auto", help="auto, ray_tune or fused")
    parser.add_argument("--lanes", type=int, help="lanes a worker of the fused engine; 6 else")
    parser.add_argument("--samples", type=int, help="train on the first so many samples only")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    options = parser.parse_args()
    if options.data is None:
        parser.error("give --data MNIST.npz, or set TUNER_MNIST")
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    print(f"{os.cpu_count()} CPUs, load {load}; seconds are of the whole process", flush=True)
    walls: dict[str, float] = {}
    tables: dict[str, Table] = {}
    alone: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = cut(options.data, options.samples, Path(folder))
        for name in options.only:
            walls[name], done = contest(name, data, options, Path(folder) / name)
            tables[name] = done["table"]
            if "training_s" in done:
                alone[name] = done["training_s"]
            print(f"{name:16} {walls[name]:8.1f} s", flush=True)
    show_ratios(walls)
    for name, seconds in alone.items():
        print(f"training alone, {name}: {seconds:.2f} s")
    if set(alone) >= {"tuner", "grid_search_cv"}:
        ratio = alone["grid_search_cv"] / alone["tuner"]
        print(f"training alone, grid_search_cv / tuner: {ratio:.2f}")
    show_tables(tables)


def cut(data: Path, samples: int | None, folder: Path) -> Path:
    """The absolute path of the data, or of a copy of its first samples."""
    if samples is None:
        return data.resolve()
    with np.load(data) as arrays:
        small = {key: arrays[key] for key in ("x_test", "y_test")}
        small |= {key: arrays[key][:samples] for key in ("x_train", "y_train")}
    np.savez(folder / "small.npz", **small)
    return folder / "small.npz"


def contest(
    name: str, data: Path, options: argparse.Namespace, folder: Path
) -> tuple[float, dict[str, Any]]:
    """Run one contender: its seconds, and its "table", some with "training_s" beside it."""
    folder.mkdir()
    table, epochs = folder / "table.json", str(options.epochs)
    command = [sys.executable, str(PEERS / f"{name}.py"), str(data), str(table), epochs]
    if name == "tuner":
        command = [sys.executable, "-m", "tuner", "run", "initializers", "--mode", "cv"]
        command += ["--data", str(data), "--epochs", epochs, "--engine", options.engine]
        command += ["--results", str(folder), "--json"]
        command += [] if options.lanes is None else ["--lanes", str(options.lanes)]
    started = time.monotonic()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(f"{name} failed:\n{done.stderr[-4000:]}")
    if name == "tuner":
        return seconds, tuner_table(folder, json.loads(done.stdout)["worker_seconds"])
    return seconds, json.loads(table.read_text())


def tuner_table(folder: Path, spent: dict[str, float]) -> dict[str, Any]:
    """The table that a study of `initializers` left in its folder, and where its time went."""
    import tuner

    shares = ", ".join(f"{what} {seconds:.1f}" for what, seconds in spent.items())
    print(f"seconds of tuner's workers: {shares or 'not told by this engine'}", flush=True)
    trials = tuner.load(folder / "initializers").trials
    columns = (trials[name] for name in ("param_initializer", "value", "value_std"))
    table = {name: (mean, std) for name, mean, std in zip(*columns, strict=True)}
    if not spent:
        return {"table": table}
    return {"table": table, "training_s": (spent["train"] + spent["validate"]) / TRAININGS}


def show_ratios(walls: dict[str, float]) -> None:
    """How many times longer the peers took."""
    ours = [name for name in ("tuner", "tuner_search_cv") if name in walls]
    for peer in ("grid_search_cv", "ray_tune_cv"):
        for name in ours:
            if peer in walls:
                print(f"{peer} / {name}: {walls[peer] / walls[name]:.2f}")


def show_tables(tables: dict[str, Table]) -> None:
    """Mean and standard deviation, a row an initializer."""
    print("\n" + " " * 16 + "".join(f"{name:>18}" for name in tables))
    for initializer in INITIALIZERS:
        cells = [table[initializer] for table in tables.values()]
        row = "".join(f"{f'{mean:.4f} ({std:.4f})':>18}" for mean, std in cells)
        print(f"{initializer:16}{row}")


if __name__ == "__main__":
    main()

"""Loading and summarising a million reports: ours against Ray Tune's own result folders.

    python -m benchmarks.load [--trials 1000] [--epochs 1000]

Both hold the same numbers: our study's folder as a run leaves it, and a folder a trial with the
progress.csv that Ray Tune's CSV logger writes (its own columns among them), read as its users do,
with pandas. Each is read three times; the medians count.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

import analysis
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.search_space.axes import Float
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.study_json import describe
from tuner.store.tables import Recorder
from tuner.study.study import Study
from tuner.trial.cells import Cell


def values(trial: int, epochs: int) -> np.ndarray:
    """A trial's made-up curve: loss, accuracy, val_loss and val_accuracy by epoch."""
    noise = np.random.default_rng(trial).normal(scale=0.01, size=(epochs, 4))
    rise = 1 - 0.9 * np.exp(-np.arange(1, epochs + 1) / epochs * 5)
    return np.stack([1 - rise, rise, 1 - rise, rise], axis=1) + noise


def write_ours(folder: Path, trials: int, epochs: int) -> None:
    """A study's folder, by the study's own code on the simulated engine."""
    folder.mkdir()
    metrics = ("loss", "accuracy", "val_loss", "val_accuracy")
    declared = Experiment(
        name="load", space={"x": Float(0, 1), "epochs": epochs}, objective=print, dataset=None,
        sampler="random", scheduler="none", trials=trials,
    )  # fmt: skip
    settled = settle(declared, {})

    def curve(cell: Cell) -> list[Step]:
        rows = values(cell.trial, epochs)
        return [
            Step(e, dict(zip(metrics, row.tolist(), strict=True))) for e, row in enumerate(rows, 1)
        ]

    clock = VirtualClock()
    recorder = Recorder(folder, SearchSpace(settled.space), "simulated")
    study = Study(settled, Ledger("load", "maximize"), recorder=recorder, clock=clock)
    run(study, curve, workers=4, clock=clock)
    recorder.close(study.records)
    loaded = Loaded(settled, Source("object", "benchmarks"))
    describe(loaded, settled, None, name="load").write(folder)


def write_ray_tunes(folder: Path, trials: int, epochs: int) -> None:
    """A folder a trial, with the columns that Ray Tune adds to every result."""
    own = {
        "timestamp": 1760000000, "checkpoint_dir_name": "", "done": False, "training_iteration": 1,
        "trial_id": "a1b2c_0", "date": datetime(2026, 1, 1).isoformat(), "time_this_iter_s": 0.1,
        "time_total_s": 1.0, "pid": 1234, "hostname": "host", "node_ip": "127.0.0.1",
        "time_since_restore": 1.0, "iterations_since_restore": 1, "config/x": 0.5,
    }  # fmt: skip
    for trial in range(trials):
        place = folder / f"train_a1b2c_{trial:05}_{trial}_x=0.5000_2026-01-01_00-00-00"
        place.mkdir(parents=True)
        with (place / "progress.csv").open("w", newline="") as file:
            names = ["loss", "accuracy", "val_loss", "val_accuracy", *own]
            writer = csv.writer(file)
            writer.writerow(names)
            for epoch, row in enumerate(values(trial, epochs), 1):
                rest = {**own, "training_iteration": epoch, "trial_id": f"a1b2c_{trial:05}"}
                writer.writerow([*row, *rest.values()])


def read_ours(folder: Path) -> float:
    """Load and summarise; the best value."""
    tables = analysis.load(folder)
    board = analysis.summary(tables)
    curves = analysis.curves(tables)
    assert len(curves) == len(tables.reports)
    return float(board["value"].iloc[0])


def read_ray_tunes(folder: Path) -> float:
    """The same table by pandas from the folders, and the same answer."""
    frames = [pd.read_csv(path) for path in sorted(folder.glob("*/progress.csv"))]
    reports = pd.concat(frames, ignore_index=True)
    last = reports.sort_values("training_iteration").groupby("trial_id").last()
    return float(last["val_accuracy"].max())


def timed(read: Callable[[Path], float], folder: Path) -> tuple[float, float]:
    """The median of three readings in seconds, and the answer."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        answer = read(folder)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), answer


def main() -> None:
    """Write both, read both, print the ratio."""
    parser = argparse.ArgumentParser(description="Loading reports, ours against Ray Tune's.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "theirs"
        write_ours(ours, options.trials, options.epochs)
        write_ray_tunes(theirs, options.trials, options.epochs)
        sizes = [sum(p.stat().st_size for p in f.rglob("*.*")) / 1e6 for f in (ours, theirs)]
        seconds, answer = timed(read_ours, ours)
        peer, same = timed(read_ray_tunes, theirs)
    if not np.isclose(answer, same):
        raise SystemExit(f"the answers differ: {answer} and {same}")
    print(f"{options.trials * options.epochs:,} reports of {options.trials} trials")
    print(f"tuner                 {seconds:6.2f} s, {sizes[0]:.0f} MB on disk with its log")
    print(f"Ray Tune's folders    {peer:6.2f} s, {sizes[1]:.0f} MB on disk")
    print(f"ratio {peer / seconds:.1f}")


if __name__ == "__main__":
    main()

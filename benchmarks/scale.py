"""What a trial costs the driver as a study grows: the brain and whole runs, and the peers' beside.

    python -m benchmarks.scale [--trials 1000 5000 20000] [--samplers random tpe] [--who ...]

A trial reports once and returns; nothing trains. "brain" is the study on the simulated engine with
all of its files (ledger, report log, tables); "optuna" is ask, report and tell on a journal file.
"tuner" is a whole run on Ray Tune, "ray" is plain Ray Tune with reuse_actors and a random search
(with `--samplers random` only), both with 2 workers and from the first trial on. Each size is a
process of its own; RSS is what it grew by from the first trial to the last. "table_ms" is what
writing trials.parquet once takes at that size: at most a twentieth of a driver's time goes there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

SETTINGS = "TUNER_SCALE"
WORKERS = 2


def brain(trials: int, sampler: str, folder: Path) -> tuple[float, float]:
    """The study, simulated, as a run has it; its seconds, and those of writing its table once."""
    import tuner
    from tuner.engines.simulated import Step, VirtualClock, run
    from tuner.experiment.settle import settle
    from tuner.search_space.space import SearchSpace
    from tuner.store.ledger import Ledger, journal_storage
    from tuner.store.parquet import put_parquet
    from tuner.store.tables import Recorder
    from tuner.store.trials_table import trials_table
    from tuner.study.study import Study
    from tuner.trial.cells import Cell

    fields: dict[str, Any] = {"sampler": sampler, "scheduler": "none", "trials": trials}
    experiment = tuner.Experiment(
        name="scale", space={"x": tuner.Float(0, 1), "y": tuner.Float(0, 1)}, objective=brain,
        metric="score", dataset=None, **fields,
    )  # fmt: skip
    settled = settle(experiment, fields)
    clock = VirtualClock()
    recorder = Recorder(folder, SearchSpace(settled.space), "simulated")
    ledger = Ledger("scale", "maximize", journal_storage(folder), new=True)
    study = Study(settled, ledger, recorder=recorder, clock=clock)

    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"score": cell.params["x"] - cell.params["y"]})

    began = time.monotonic()
    run(study, curve, workers=WORKERS, clock=clock)
    recorder.close(study.records)
    ended = time.monotonic()
    put_parquet(folder / "once", trials_table(study.records, SearchSpace(settled.space), ""))
    return ended - began, time.monotonic() - ended


def plain_optuna(trials: int, sampler: str, folder: Path) -> float:
    """What one writes with Optuna alone; its seconds."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(
        storage=storage, sampler=kinds[sampler](seed=0), direction="maximize"
    )
    began = time.monotonic()
    for _ in range(trials):
        trial = study.ask()
        score = trial.suggest_float("x", 0, 1) - trial.suggest_float("y", 0, 1)
        trial.report(score, 1)
        study.tell(trial, score)
    return time.monotonic() - began


def noop(trial: Any) -> float:
    """A training that is none."""
    return float(trial["x"] - trial["y"])


def whole_run(trials: int, sampler: str, folder: Path) -> float:
    """A run on Ray Tune; seconds from its first trial's start to the last one's end."""
    import tuner

    experiment = tuner.Experiment(
        name="scale", space={"x": tuner.Float(0, 1), "y": tuner.Float(0, 1)}, objective=noop,
        metric="score", dataset=None, sampler=sampler, scheduler="none", trials=trials,
        engine="ray_tune", concurrency=WORKERS,
    )  # fmt: skip
    table = tuner.run(experiment, results=folder).trials
    assert (table["state"] == "COMPLETE").all()
    began = [at.timestamp() for at in table["started_at"]]
    return max(a + s for a, s in zip(began, table["duration_s"], strict=True)) - min(began)


def plain_ray(trials: int, sampler: str, folder: Path) -> float:
    """What one writes with Ray Tune alone; seconds of its fit."""
    import ray
    from ray import tune

    def trainable(config: dict[str, Any]) -> None:
        tune.report({"value": noop(config)})

    ray.init(num_cpus=WORKERS, include_dashboard=False, ignore_reinit_error=True)
    searcher = tune.Tuner(
        trainable,
        param_space={"x": tune.uniform(0, 1), "y": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    )
    began = time.monotonic()
    searcher.fit()
    return time.monotonic() - began


CONTENDERS = {"brain": brain, "optuna": plain_optuna, "tuner": whole_run, "ray": plain_ray}


def one_size(who: str, trials: int, sampler: str) -> dict[str, float]:
    """A row, in this process."""
    import psutil

    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm"
        warm.mkdir()
        CONTENDERS[who](50, sampler, warm)  # the imports
        before = process.memory_info().rss
        spent = CONTENDERS[who](trials, sampler, Path(folder))
        grown = process.memory_info().rss - before
    seconds, table_s = spent if isinstance(spent, tuple) else (spent, float("nan"))
    return {
        "ms_a_trial": 1000 * seconds / trials,
        "rss_kb_a_trial": grown / 1024 / trials,
        "table_ms": 1000 * table_s,
    }


def main() -> None:
    """A row a sampler, a contender and a size."""
    parser = argparse.ArgumentParser(description="What a trial costs the driver.")
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--samplers", nargs="+", choices=("random", "tpe"), default=["random"])
    parser.add_argument("--who", nargs="+", choices=CONTENDERS, default=["brain", "optuna"])
    options = parser.parse_args()
    if SETTINGS in os.environ:
        print(json.dumps(one_size(**json.loads(os.environ[SETTINGS]))))
        return
    rows = []
    for sampler in options.samplers:
        for who in options.who:
            for trials in options.trials:
                about = {"who": who, "trials": trials, "sampler": sampler}
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.scale"],
                    env={**os.environ, SETTINGS: json.dumps(about)},
                    stdout=subprocess.PIPE, text=True, check=True,
                )  # fmt: skip
                rows.append({**about, **json.loads(done.stdout.splitlines()[-1])})
                print(pd.DataFrame(rows).round(2).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

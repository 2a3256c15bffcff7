"""What a trial costs the driver as a study grows: the brain alone, and plain Optuna beside it.

    python -m benchmarks.scale [--trials 1000 5000 20000] [--samplers random tpe]

A trial reports once and returns; nothing trains. "brain" is the study on the simulated engine with
all of its files (ledger, report log, tables); "optuna" is ask, report and tell on a journal file.
Each size is a process of its own; RSS is what it grew by from the first trial to the last.
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


def brain(trials: int, sampler: str, folder: Path) -> None:
    """The study, simulated, as a run has it."""
    import tuner
    from tuner.engines.simulated import Step, VirtualClock, run
    from tuner.experiment import settle
    from tuner.ledger import Ledger, journal_storage
    from tuner.recorder import Recorder
    from tuner.search_space import SearchSpace
    from tuner.study import Study
    from tuner.trial import Cell

    fields: dict[str, Any] = {"sampler": sampler, "scheduler": "none", "trials": trials}
    experiment = tuner.Experiment(
        name="scale", space={"x": tuner.Float(0, 1), "y": tuner.Float(0, 1)}, objective=brain,
        metric="score", dataset=None, **fields,
    )  # fmt: skip
    settled = settle(experiment, fields)
    clock = VirtualClock()
    recorder = Recorder(folder, SearchSpace(settled.space), "simulated")
    ledger = Ledger("scale", "max", journal_storage(folder), new=True)
    study = Study(settled, ledger, recorder=recorder, clock=clock)

    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"score": cell.params["x"] - cell.params["y"]})

    run(study, curve, workers=2, clock=clock)
    recorder.close(study.records)


def plain_optuna(trials: int, sampler: str, folder: Path) -> None:
    """What one writes with Optuna alone."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(
        storage=storage, sampler=kinds[sampler](seed=0), direction="maximize"
    )
    for _ in range(trials):
        trial = study.ask()
        score = trial.suggest_float("x", 0, 1) - trial.suggest_float("y", 0, 1)
        trial.report(score, 1)
        study.tell(trial, score)


CONTENDERS = {"brain": brain, "optuna": plain_optuna}


def one_size(who: str, trials: int, sampler: str) -> dict[str, float]:
    """A row, in this process."""
    import psutil

    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm"
        warm.mkdir()
        CONTENDERS[who](50, sampler, warm)  # the imports
        before, started = process.memory_info().rss, time.monotonic()
        CONTENDERS[who](trials, sampler, Path(folder))
        seconds = time.monotonic() - started
        grown = process.memory_info().rss - before
    return {"ms_a_trial": 1000 * seconds / trials, "rss_kb_a_trial": grown / 1024 / trials}


def main() -> None:
    """A row a sampler, a contender and a size."""
    parser = argparse.ArgumentParser(description="What a trial costs the driver.")
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 5000, 20_000])
    parser.add_argument("--samplers", nargs="+", choices=("random", "tpe"), default=["random"])
    parser.add_argument("--who", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
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

"""Faults at random moments of real runs: is every trial there once at the end?

    python -m benchmarks.faults [--faults 200] [--seed 0] [--plans search grid cv] [--kinds ...]

A study runs as a user's does, `python -m tuner run` and `--resume` until it ends; meanwhile faults
of all kinds strike. Afterwards every trial (in a cross-validation every cell) must be there once,
finished trials and their reports as they were when they finished, and no process left behind.

| fault | what is done |
| --- | --- |
| driver KILL, INT, TERM | the signal, to `python -m tuner run`; it is then resumed |
| worker KILL | SIGKILL to a process that trains |
| worker STOP | SIGSTOP: it hangs until --trial-timeout ends its trial |
| raise | the training function raises, once in a trial |
| read-only | the study's folder can't be written for half a second (not as root: skipped) |
| full disk | the results lie on a tmpfs of which nothing is left for half a second |

"recovered" is the median of the seconds from the fault to the next report or trial's end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import psutil

import tuner
from tuner.experiment import Experiment
from tuner.search_space import Categorical, Float
from tuner.trial import Trial

EPOCHS, EPOCH_S, TIMEOUT_S = 4, 0.12, 4.0
KINDS = (
    "driver KILL", "driver INT", "driver TERM", "worker KILL", "worker STOP", "raise", "full disk",
)  # fmt: skip
MARKS = "FAULTS_FOLDER"


def train(trial: Trial) -> None:
    """Report slowly; raise when it is told to by a file that it then removes."""
    order = Path(os.environ[MARKS]) / "raise"
    for epoch in range(1, EPOCHS + 1):
        time.sleep(EPOCH_S)
        with contextlib.suppress(FileNotFoundError):
            order.unlink()
            raise RuntimeError("a fault of the campaign")
        if trial.report(epoch, {"score": trial["x"] * epoch + trial.fold}):
            return


EXPERIMENT = Experiment(
    name="faults",
    space={"x": Float(0, 1), "a": Categorical(list(range(30))), "epochs": EPOCHS},
    objective=train,
    metric="score",
    retries=50,
)


class Campaign:
    """One study after another, struck until enough faults were injected."""

    def __init__(self, folder: Path, seed: int, kinds: list[str], results: Path) -> None:
        self.random = random.Random(seed)
        self.folder, self.kinds, self.results = folder, kinds, results
        self.times: Counter[str] = Counter()
        self.lost = self.doubled = self.changed = self.left_behind = 0
        self.recovered: dict[str, list[float]] = defaultdict(list)

    def study(self, number: int, plan: str) -> None:
        """Run a study to its end under fire, and check it."""
        name = f"{plan}-{number}"
        path = self.results / name
        command = [sys.executable, "-m", "tuner", "run", "benchmarks.faults:EXPERIMENT",
                   "--study", name, "--results", str(self.results), "--mode", plan, "--quiet",
                   "--trial-timeout", str(TIMEOUT_S), "--seed", str(number)]  # fmt: skip
        command += {
            "search": ["--trials", "60", "--sampler", "random"],
            "grid": ["--set", "x=0.1,0.2"],
            "cv": ["--set", "x=0.5", "--data", "digits"],
        }[plan]
        env = {**os.environ, MARKS: str(self.folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
        finished: dict[int, Any] = {}
        while True:
            begun = (path / "study.json").exists()
            driver = subprocess.Popen(
                [*command, "--resume"] if begun else command, env=env,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            self._strike_until_it_ends(driver, path)
            said = driver.stderr.read() if driver.stderr else ""
            finished = self._compare(path, finished)
            if driver.returncode == 0:
                break
            if driver.returncode == 2 and "cannot be written" not in said:
                sys.exit(f"{name}: {said}")
            if driver.returncode == 1 and "Traceback" in said:
                sys.exit(f"{name}: {said}")
        self._check(path, plan)

    def _strike_until_it_ends(self, driver: subprocess.Popen[str], path: Path) -> None:
        process = psutil.Process(driver.pid)
        log = path / "reports.log"
        size = _size(log)
        while driver.poll() is None:  # until it works again, no fault: it would be struck at start
            if _size(log) > size:
                kind = self.random.choice(self.kinds)
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    time.sleep(self.random.uniform(0, 0.4))
                    size, struck = _size(log), time.monotonic()
                    if driver.poll() is None and self._strike(kind, process):
                        self.times[kind] += 1
                        self._wait(driver, log, size, kind, struck)
                size = _size(log)
            time.sleep(0.02)
        children = [p for p in psutil.process_iter(["environ"]) if _is_ours(p, self.folder)]
        _, alive = psutil.wait_procs(children, timeout=120)
        self.left_behind += len(alive)

    def _wait(
        self, driver: subprocess.Popen[str], log: Path, size: int, kind: str, struck: float
    ) -> None:
        while driver.poll() is None:
            if _size(log) > size:
                self.recovered[kind].append(time.monotonic() - struck)
                return
            time.sleep(0.02)

    def _strike(self, kind: str, driver: psutil.Process) -> bool:
        who, _, name = kind.partition(" ")
        if who == "driver":
            driver.send_signal(getattr(signal, f"SIG{name}"))
            return True
        if kind == "raise":
            (self.folder / "raise").touch()
            return True
        if kind == "full disk":
            with _filled(self.results):
                time.sleep(0.5)
            return True
        workers = [p for p in driver.children(recursive=True) if "train" in _title(p)]
        if not workers:
            return False
        self.random.choice(workers).send_signal(getattr(signal, f"SIG{name}"))
        return True

    def _compare(self, path: Path, before: dict[int, Any]) -> dict[int, Any]:
        """The finished trials with their reports; those of `before` must be as they were."""
        try:
            results = tuner.load(path)
        except tuner.TunerError:  # killed before the first table
            return before
        ended = results.trials[results.trials["state"] == "COMPLETE"].set_index("trial")
        reports = results.reports.set_index("trial")
        now = {
            trial: (row["value"], row["attempt"], tuple(reports.loc[[trial], "score"]))
            for trial, row in ended.iterrows()
        }
        self.changed += sum(now.get(trial) != kept for trial, kept in before.items())
        return now

    def _check(self, path: Path, plan: str) -> None:
        results = tuner.load(path)
        cells = 3 if plan == "cv" else 1
        total = {"search": 60, "grid": 60, "cv": 30}[plan]
        self.lost += total - results.trials["trial"].nunique()
        self.lost += int((results.trials["state"] == "RUNNING").sum())
        self.doubled += int(results.trials["trial"].duplicated().sum())
        keys = results.reports[["trial", "fold", "epoch"]]
        self.doubled += int(keys.duplicated().sum())
        done = results.trials[results.trials["state"] == "COMPLETE"]["trial"]
        counted = results.reports.groupby("trial").size()
        self.lost += int((counted.loc[done] != cells * EPOCHS).sum())

    def table(self) -> pd.DataFrame:
        """A row a kind of fault."""
        rows = [
            {
                "fault": kind,
                "times": self.times[kind],
                "recovered_s": median(self.recovered[kind]) if self.recovered[kind] else None,
            }
            for kind in self.kinds
        ]
        return pd.DataFrame(rows)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _title(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _is_ours(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.info["environ"] and process.environ().get(MARKS) == str(folder)
    except psutil.Error:
        return False


@contextlib.contextmanager
def _filled(folder: Path) -> Iterator[None]:
    """All that is left of the folder's disk, taken meanwhile; for a small tmpfs."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def main() -> None:
    """The table, and what was lost, doubled, changed and left behind: all of it must be 0."""
    parser = argparse.ArgumentParser(description="Faults at random moments of real runs.")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plans", nargs="+", default=["search", "grid", "cv"])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--tmpfs", type=Path, help="a small tmpfs, for the full disk")
    options = parser.parse_args()
    kinds = [k for k in options.kinds if k != "full disk" or options.tmpfs]
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        results = (options.tmpfs or Path(folder)) / "results"
        campaign = Campaign(Path(folder), options.seed, kinds, results)
        number = 0
        while campaign.times.total() < options.faults:
            campaign.study(number, options.plans[number % len(options.plans)])
            number += 1
            print(f"{number} studies, {campaign.times.total()} faults", flush=True)
    print(campaign.table().to_string(index=False))
    said = ("lost", "doubled", "changed", "left_behind")
    found = {name: getattr(campaign, name) for name in said}
    print(json.dumps({"studies": number, "faults": campaign.times.total(), **found}))
    sys.exit(any(found.values()))


if __name__ == "__main__":
    main()

"""What a trial costs beside its training: tuner against plain Ray Tune as it comes.

    python benchmarks/overhead.py                  all rows, each in a process of its own
    python benchmarks/overhead.py ours noop 300    one row: contender, kind, trials

Three kinds of trial: `noop` returns a number; `reports` makes a hundred reports and nothing else;
`second` computes for one second with the library that `one_second` names, whose import is overhead
to both. Our side is the whole of it: the study, its ledger and its tables. Time runs from the first
trial asked for to the end of the last; Ray's own start is left out. `steady` leaves out the start
of the workers too: from a worker's first trial to its last.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORKERS = 2
ROWS = [
    ("plain", "noop", 10),
    ("ours", "noop", 400),
    ("plain", "second", 6),
    ("ours", "second", 24),
    ("ours", "reports", 20),
]
REPORTS = 100
"""How many reports a trial of kind `reports` makes, one after another."""


def noop(trial: Any) -> float:
    began = time.time()
    note(trial["log"], began)
    return 0.5


def reports(trial: Any) -> None:
    began = time.time()
    for epoch in range(1, REPORTS + 1):
        trial.report(epoch, {"value": 0.5})
    note(trial["log"], began)


def note(path: str, began: float) -> None:
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()} {began} {time.time()}\n")


def ours(kind: str, trials: int, folder: Path) -> float:
    import tuner

    log = str(folder / "log")
    experiment = tuner.Experiment(
        name="overhead",
        space={"x": tuner.Float(0.0, 1.0), "log": log},
        objective=_kind(kind),
        metric="value",
        direction="maximize",
        sampler="random",
        scheduler="none",
        dataset=None,
        concurrency=WORKERS,
        trials=trials,
    )
    table = tuner.run(experiment, results=folder).trials
    assert (table["state"] == "COMPLETE").all()
    first = table["started_at"].min().timestamp()
    return max(end for _, _, end in _spans(log)) - first


def plain(kind: str, trials: int, folder: Path) -> float:
    import ray
    from ray import tune

    log = str(folder / "log")
    train = _kind(kind)

    def trainable(config: dict[str, Any]) -> None:
        tune.report({"value": train(config)})

    ray.init(num_cpus=WORKERS, include_dashboard=False)
    tuner = tune.Tuner(
        trainable,
        param_space={"x": tune.uniform(0.0, 1.0), "log": log},
        tune_config=tune.TuneConfig(num_samples=trials),
        run_config=tune.RunConfig(storage_path=str(folder / "tune")),
    )
    began = time.time()
    tuner.fit()
    return time.time() - began


def _kind(name: str) -> Callable[[Any], float | None]:
    if name == "noop":
        return noop
    if name == "reports":
        return reports
    from one_second import second  # apart, as its file imports TensorFlow

    return second


CONTENDERS = {"ours": ours, "plain": plain}


def _spans(log: str) -> list[tuple[str, float, float]]:
    lines = [line.split() for line in Path(log).read_text().splitlines()]
    return [(pid, float(began), float(end)) for pid, began, end in lines]


def _row(contender: str, kind: str, trials: int) -> dict[str, float]:
    """Run one contender here: seconds in all, and what a steady worker spends a trial."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = CONTENDERS[contender](kind, trials, Path(folder))
        spans = _spans(str(Path(folder) / "log"))
    assert len(spans) == trials
    by_worker: dict[str, list[tuple[float, float]]] = {}
    for pid, began, end in spans:
        by_worker.setdefault(pid, []).append((began, end))
    busy = sum(max(e for _, e in of) - min(b for b, _ in of) for of in by_worker.values())
    worked = sum(end - began for _, began, end in spans)
    reused = sum(len(of) - 1 for of in by_worker.values())
    steady = (busy - worked) / reused if reused else float("nan")
    return {"trials": trials, "seconds": seconds, "worked": worked, "steady": steady}


def _measure(contender: str, kind: str, trials: int) -> dict[str, float]:
    """The same in a process of its own, with a HOME of its own; what it prints is not shown."""
    with tempfile.TemporaryDirectory() as home:
        ran = subprocess.run(
            [sys.executable, __file__, contender, kind, str(trials)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    if ran.returncode != 0:
        raise SystemExit(f"{contender} {kind} failed:\n{ran.stderr[-3000:]}")
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def main() -> None:
    print(f"{WORKERS} workers, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"{'':14}{'trials':>8}{'ms a trial':>12}{'steady ms':>11}{'overhead':>10}")
    each = {}
    for contender, kind, trials in ROWS:
        row = _measure(contender, kind, trials)
        each[contender, kind] = 1000 * row["seconds"] / trials
        if kind == "reports":
            print(f"{contender:6} a report: {1000 * row['worked'] / trials / REPORTS:.2f} ms")
            continue
        share = 1 - row["worked"] / (WORKERS * row["seconds"])
        print(
            f"{contender:6} {kind:7}{trials:8d}{each[contender, kind]:12.1f}"
            f"{1000 * row['steady']:11.1f}{share:10.1%}"
        )
    print(f"ratio, no-op trials: {each['plain', 'noop'] / each['ours', 'noop']:.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", nargs="*", help="one row only: contender, kind and trials")
    row = parser.parse_args().row
    if row:
        contender, kind, trials = row
        print(json.dumps(_row(contender, kind, int(trials))))
    else:
        main()

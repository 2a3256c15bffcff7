"""What fold racing saves on the initializer table with digits, and whether the winner stays.

    python -m benchmarks.racing [--seeds 10] [--workers 2]

For each seed the table is trained once, every initializer on every fold. The recorded curves are
then given to the study again on the simulated engine, with each racing rule: the same numbers, so
that only the racing differs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from typing import Any

import tuner
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.loading import load
from tuner.experiment.settle import settle
from tuner.results.results import Results
from tuner.store.ledger import Ledger
from tuner.study.study import Study
from tuner.trial.cells import Cell

RULES = ("none", "forgiving", "aggressive")


def raced(results: Results, rule: str, workers: int) -> tuple[int, Any]:
    """Epochs trained and the winner, the recorded cells raced by `rule`."""
    declared = load("initializers").experiment
    settled = settle(declared, {"fold_racing": rule, "seed": results.study.experiment.seed})
    rows = results.reports.sort_values("epoch").groupby(["trial", "fold"])
    cells = {key: frame[["epoch", "val_accuracy"]].to_numpy() for key, frame in rows}

    def curve(cell: Cell) -> Iterator[Step]:
        for epoch, value in cells[cell.trial, cell.fold]:
            yield Step(int(epoch), {"val_accuracy": float(value)})

    clock = VirtualClock()
    study = Study(settled, Ledger("racing", settled.direction), clock=clock)
    run(study, curve, workers=workers, clock=clock)
    best = study.best()
    winner = None if best is None else best.params["initializer"]
    return sum(record.epochs for record in study.records), winner


def main() -> None:
    """Print a row a seed, and the sums."""
    parser = argparse.ArgumentParser(description="What fold racing saves, on digits.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    total = dict.fromkeys(RULES, 0)
    same = dict.fromkeys(RULES, 0)
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            results = tuner.run("initializers", results=folder, seed=seed)
            found = {rule: raced(results, rule, options.workers) for rule in RULES}
        for rule, (epochs, winner) in found.items():
            total[rule] += epochs
            same[rule] += winner == found["none"][1]
        print(f"seed {seed}: {found}", flush=True)
    for rule in RULES:
        saved = 1 - total[rule] / total["none"]
        print(f"{rule}: {total[rule]} epochs, {saved:.0%} saved, same winner in {same[rule]}")


if __name__ == "__main__":
    main()

"""What ending a search once it has converged saves, and what it costs, on tables of curves.

    python -m benchmarks.converged [--curves FOLDER] [--seeds N] [--tasks N] [--families A,B]

Each search runs twice on the simulated engine, by the product's own study, with the same seed: to
its fixed number of trials, and with stop="converged" to that many at most. So both are the same
search up to where the second one ends. Tables, regret and workers are those of
`benchmarks.default_search`: (best value that any epoch had - the table's best) / (its median
configuration's - best), from 0 to 1. Printed are, over all tasks, the share of searches that ended
before, the mean share of trials and of epochs that they saved, the regret of both, and what was
paid: the mean of the differences with a 95% interval (bootstrap over tasks), and the worst.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna

from benchmarks.curve_tables import Task, make_task, task_name, tasks_of
from benchmarks.default_search import CURVES, WORKERS, OnTable, default_of, regret_of
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.store.ledger import Ledger
from tuner.study.study import Study
from tuner.trial.cells import Cell
from tuner.trial.trial import Trial


class Method(NamedTuple):
    """How it is searched, and how many trials the fixed budget has."""

    fields: Mapping[str, str]
    trials: int


METHODS = {
    "tuner default": Method({}, 600),
    "random + promotion": Method({"sampler": "random", "scheduler": "asha"}, 600),
    "random, none": Method({"sampler": "random", "scheduler": "none"}, 100),
    "tpe, none": Method({"sampler": "tpe", "scheduler": "none"}, 100),
}


class Ended(NamedTuple):
    """A search at its end."""

    trials: int
    epochs: int
    regret: float


class Pair(NamedTuple):
    """A search to its fixed budget, and until it had converged."""

    fixed: Ended
    converged: Ended

    @property
    def paid(self) -> float:
        return self.converged.regret - self.fixed.regret


def search(task: Task, method: Method, stop: str, seed: int) -> Ended:
    """One search."""
    sampler = method.fields.get("sampler", default_of("sampler"))
    fields: dict[str, Any] = {**method.fields, "sampler": OnTable(sampler, task)}
    experiment = Experiment(
        "converged",
        {**task.space, "epochs": task.epochs},
        _never,
        metric="loss",
        dataset=None,
        trials=method.trials,
        stop=stop,
        seed=seed,
        **fields,
    )
    clock = VirtualClock()
    study = Study(settle(experiment, {}), Ledger("converged", "minimize"), clock=clock)
    task.start()

    def curve(cell: Cell) -> Iterator[Step]:
        for epoch, loss in enumerate(task.curve(cell.params), 1):
            yield Step(epoch, {"loss": float(loss)})

    run(study, curve, workers=WORKERS, clock=clock)
    best = study.best()
    assert best is not None  # hundreds of trials have run
    assert best.value is not None
    epochs = sum(record.epochs for record in study.records)
    return Ended(len(study.records), epochs, regret_of(best.value, task.best, task.bad))


def pair(task: Task, name: str, number: int) -> Pair:
    """A method's search of a task, both ways, by a stream of its own."""
    seed = zlib.crc32(f"{task.name} {name} {number} converged".encode())
    fixed, converged = (search(task, METHODS[name], s, seed) for s in ("trials", "converged"))
    return Pair(fixed, converged)


def row(name: str, pairs: Mapping[str, list[Pair]]) -> str:
    """A method's line of the table; its pairs by task."""
    every = [one for of in pairs.values() for one in of]
    saved = [(1 - one.converged.trials / one.fixed.trials) for one in every]
    epochs = [(1 - one.converged.epochs / one.fixed.epochs) for one in every]
    regrets = [np.mean([one[way].regret for one in every]) for way in (0, 1)]
    paid = np.array([np.mean([one.paid for one in of]) for of in pairs.values()])
    rng = np.random.default_rng(0)
    drawn = paid[rng.integers(len(paid), size=(2000, len(paid)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return (
        f"| {name} | {METHODS[name].trials} | {np.mean(np.array(saved) > 0):.0%} "
        f"| {np.mean(saved):.0%} | {np.mean(epochs):.0%} | {regrets[0]:.4f} | {regrets[1]:.4f} "
        f"| {paid.mean():.4f} ({low:.4f} to {high:.4f}) | {max(one.paid for one in every):.4f} |"
    )


HEAD = (
    "| search | trials | ended before | trials saved | epochs saved | regret, fixed "
    "| regret, converged | paid | most paid |\n|---|---|---|---|---|---|---|---|---|"
)


def _never(trial: Trial) -> None:
    raise NotImplementedError("a simulated study trains nothing")


def main() -> None:
    """Run the searches and print their table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--curves", type=Path, default=CURVES, help="the folder of curves")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tasks", type=int, help="so many of each family")
    parser.add_argument("--families", default="lcbench,taskset,crossing")
    parser.add_argument("--methods", default=";".join(METHODS), help="some of them, by ';'")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = list(tasks_of(options.curves))
    tasks = [
        one
        for family in options.families.split(",")
        for one in [one for one in known if one[0] == family][: options.tasks]
    ]
    print(f"{len(tasks)} tasks, {options.seeds} seeds, {WORKERS} workers")
    print(HEAD)
    for name in options.methods.split(";"):
        pairs: dict[str, list[Pair]] = defaultdict(list)
        for family, made_of in tasks:
            task = make_task(family, made_of)
            for number in range(options.seeds):
                pairs[task_name(family, made_of)].append(pair(task, name, number))
        print(row(name, pairs), flush=True)


if __name__ == "__main__":
    main()

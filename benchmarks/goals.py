"""Two goals at once on tables of learning curves: how much of the front is found at equal epochs.

    python -m benchmarks.goals [--curves FOLDER] [--seeds 2] [--tasks 6]

LCBench's networks (see curve_tables), of which the error is to be low and the size, the logarithm
of the weights of `num_layers` layers of `max_units`, as well. Ours are searches of the product's
own study on the simulated engine, eight workers; beside them Optuna's two samplers for several
goals, which train every trial to its end, as its pruners know one goal only. After 2, 5, 10, 20 and
40 full trainings: the hypervolume of all that was reported, as a share of that of 2,000 random
points trained to their end. Error counts from a table's best value to its median, size by its
range.
"""

from __future__ import annotations

import argparse
import multiprocessing
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from benchmarks.curve_tables import LCBench, tasks_of
from benchmarks.default_search import BUDGETS, CURVES, WORKERS
from tuner.curve_model.columns import Columns
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.pareto import hypervolume
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.report import Report
from tuner.study.study import Study
from tuner.trial.cells import Cell
from tuner.trial.trial import Trial

OURS: dict[str, dict[str, str]] = {
    "tuner default": {},
    "nsga2, none": {"sampler": "nsga2", "scheduler": "none"},
    "tpe + asha": {"sampler": "tpe", "scheduler": "asha"},
    "random, none": {"sampler": "random", "scheduler": "none"},
}
PEERS = {"optuna tpe": optuna.samplers.TPESampler, "optuna nsga2": optuna.samplers.NSGAIISampler}
POINTS = 2000
WORST = np.ones(2)
LEAST, MOST = np.log10(64.0**2), np.log10(5 * 1024.0**2)


def size(params: Mapping[str, Any]) -> float:
    """The size of a network, 0 to 1."""
    weights = float(params["num_layers"]) * float(params["max_units"]) ** 2
    return float((np.log10(weights) - LEAST) / (MOST - LEAST))


def error(task: LCBench, loss: Any) -> Any:
    """A loss, 0 at the best there is and 1 at the median."""
    return (loss - task.best) / (task.bad - task.best)


@dataclass
class Found:
    """What was reported so far, and its hypervolume at each budget."""

    task: LCBench
    spent: int = 0
    best_of: dict[int, tuple[float, float]] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return len(self.seen) == len(BUDGETS)

    def note(self, trial: int, loss: float, its_size: float) -> None:
        """One epoch of a trial was trained."""
        if self.over:
            return
        self.spent += 1
        before, _ = self.best_of.get(trial, (np.inf, 0.0))
        self.best_of[trial] = min(before, float(error(self.task, loss))), its_size
        if self.spent == BUDGETS[len(self.seen)] * self.task.epochs:
            self.seen.append(hypervolume(np.array([*self.best_of.values()]), WORST))


class WatchedStudy(Study):
    """The product's study; `found` hears of each report that it takes."""

    found: Found

    def take(self, report: Report) -> None:
        super().take(report)
        self.found.note(report.trial, report.metrics["loss"], report.metrics["size"])


def search_ours(found: Found, given: Mapping[str, str], seed: int) -> None:
    """A search by the product."""
    task = found.task
    experiment = Experiment(
        "goals",
        {**task.space, "epochs": task.epochs},
        _never,
        metric=["loss", "size"],
        direction=["minimize", "minimize"],
        dataset=None,
        trials=1_000_000,
        time_limit=BUDGETS[-1] * task.epochs / WORKERS + 1,
        seed=seed,
        **given,  # type: ignore[arg-type]
    )
    clock = VirtualClock()
    study = WatchedStudy(
        settle(experiment, {}), Ledger("goals", ["minimize", "minimize"]), clock=clock
    )
    study.found = found

    def curve(cell: Cell) -> Iterator[Step]:
        for epoch, loss in enumerate(task.curve(cell.params), 1):
            yield Step(epoch, {"loss": float(loss), "size": size(cell.params)})

    run(study, curve, workers=WORKERS, clock=clock)


def search_peer(found: Found, sampler: optuna.samplers.BaseSampler) -> None:
    """A search by Optuna, whose workers train an epoch each in turn, every trial to its end."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    axes = SearchSpace(found.task.space)
    while not found.over:
        trials = [study.ask() for _ in range(WORKERS)]
        points = [axes.suggest(trial) for trial in trials]
        curves = [found.task.curve(point) for point in points]
        for epoch in range(found.task.epochs):
            for trial, point, losses in zip(trials, points, curves, strict=True):
                found.note(trial.number, float(losses[epoch]), size(point))
        for trial, point, losses in zip(trials, points, curves, strict=True):
            study.tell(trial, [float(losses.min()), size(point)])


def whole(task: LCBench) -> float:
    """The hypervolume of many random points, each trained to its end."""
    columns = Columns(SearchSpace(task.space).searched())
    draws = columns.draws(np.random.default_rng(0), POINTS)
    points = [columns.params(units) for units in draws]
    ends = [(float(error(task, task.curve(point).min())), size(point)) for point in points]
    return hypervolume(np.array(ends), WORST)


def searched(made_of: tuple[Any, ...], seeds: int) -> list[dict[str, Any]]:
    """The rows of a task: a search each."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = LCBench(*made_of)
    best = whole(task)
    rows: list[dict[str, Any]] = []
    for method, seed in product([*OURS, *PEERS], range(seeds)):
        found = Found(task)
        stream = zlib.crc32(f"{task.name} {method} {seed}".encode())
        if method in OURS:
            search_ours(found, OURS[method], stream)
        else:
            search_peer(found, PEERS[method](seed=stream))
        shares: dict[Any, float] = {
            budget: seen / best for budget, seen in zip(BUDGETS, found.seen, strict=True)
        }
        rows.append({"method": method, "trials": len(found.best_of), **shares})
    return rows


def _never(trial: Trial) -> None:
    raise AssertionError("it is simulated")


def main(given: Sequence[str] | None = None) -> None:
    """A row a method: its share of the front's hypervolume at each budget."""
    parser = argparse.ArgumentParser(description="Two goals on tables of learning curves.")
    parser.add_argument("--curves", type=Path, default=CURVES)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=6)
    options = parser.parse_args(given)
    made = [made for family, made in tasks_of(options.curves) if family == "lcbench"]
    if not made:
        parser.error(f"there is no lcbench.onnx in {options.curves}; name its folder: --curves")
    with multiprocessing.get_context("spawn").Pool() as pool:
        parts = pool.map(partial(searched, seeds=options.seeds), made[: options.tasks])
    table = pd.DataFrame([row for part in parts for row in part])
    print(f"{min(options.tasks, len(made))} tasks, {options.seeds} seeds; share of the hypervolume")
    means = table.groupby("method").mean()
    print(means.loc[[*OURS, *PEERS]].round(3).to_string())


if __name__ == "__main__":
    main()

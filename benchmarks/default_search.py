"""The default search beside others on tables of learning curves, at equal epochs.

    python -m benchmarks.default_search [--curves FOLDER] [--seeds N] [--out ROWS.jsonl]

A search whose row stands in `--out` already is not run again: a run that was ended goes on there.

Ours are searches of the product's own study on the simulated engine; others go by their own
library. A proposal for a table takes its nearest point that no trial has had: our samplers are told
that point, others' hear of their own. Eight workers, one second an epoch; a paused trial goes on
where it stood. Budgets are 2,
5, 10, 20 and 40 full trainings, of all workers together. Regret: (value - best) / (bad - best),
from 0 to 1; `best` is a table's best value, `bad` its median configuration's. Printed are, for each
method, the regret of the best value that any epoch had (`seen`) at each budget, the difference to
random + stopping with a 95% interval (bootstrap over tasks), and the regret after 5 trainings of
the returned trial's end value (`any`). A line of `--out` is one search.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import optuna

from benchmarks.curve_tables import LCBench, Searched, Task, make_task, task_name, tasks_of
from benchmarks.search_peers import PEERS, Peer
from benchmarks.search_rows import REFERENCE, table
from tuner.curve_model.columns import Columns
from tuner.curve_model.sources import NOTHING, Learned
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.samplers.per_trial import PerTrialSampler, Setting
from tuner.samplers.registry import for_trial, open_sampler
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.report import Report
from tuner.study.study import Study
from tuner.trial.cells import Cell
from tuner.trial.trial import Trial

CURVES = Path(__file__).resolve().parents[2] / "shared" / "data" / "curves"
BUDGETS = (2, 5, 10, 20, 40)
RETURNED_AT = 5
WORKERS = 8
OURS: dict[str, dict[str, str]] = {
    "tuner default": {},
    REFERENCE: {"sampler": "random", "scheduler": "asha_stopping"},
    "random + promotion": {"sampler": "random", "scheduler": "asha"},
    "random, none": {"sampler": "random", "scheduler": "none"},
    "tpe + promotion": {"sampler": "tpe", "scheduler": "asha"},
}
METHODS = (*OURS, *PEERS)


@dataclass
class Watch:
    """What a search has found, at each budget."""

    task: Searched
    budgets: Sequence[int]
    spent: int = 0
    best: float = math.inf
    best_of: dict[int, float] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)
    returned: list[float] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.spent >= self.budgets[-1] * self.task.epochs

    def begin(self, trial: int, curve: Any) -> None:
        self.ends[trial] = float(curve[-1])

    def note(self, trial: int, loss: float) -> None:
        """One epoch of a trial was trained."""
        if self.over:
            return
        self.spent += 1
        if math.isfinite(loss):
            self.best = min(self.best, loss)
            self.best_of[trial] = min(self.best_of.get(trial, math.inf), loss)
        if self.spent in {budget * self.task.epochs for budget in self.budgets}:
            task = self.task
            returned = min(self.best_of, key=self.best_of.__getitem__)
            self.seen.append(regret_of(self.best, task.best, task.bad))
            self.returned.append(regret_of(self.ends[returned], task.best_end, task.bad))


class WatchedStudy(Study):
    """The product's study; whoever watches hears of each report that it takes."""

    watch: Watch

    def take(self, report: Report) -> None:
        super().take(report)
        self.watch.note(report.trial, float(report.metrics["loss"]))


class OnTable(PerTrialSampler):
    """A sampler whose proposals become the points of a table that they stand for.

    So it learns from where a curve was really measured, not from where it would have been.
    """

    def __init__(self, name: str, task: Searched) -> None:
        super().__init__(seed=0)
        sampler = open_sampler(name)
        assert isinstance(sampler, PerTrialSampler)  # one of ours
        self._sampler = sampler
        self._task = task

    def for_trial(self, number: int, setting: Setting, again: int = 0) -> Self:
        bound = super().for_trial(number, setting, again)
        bound._sampler = self._sampler.for_trial(number, setting, again)
        return bound

    def propose(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        space: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        sampler = self._sampler
        related = sampler.infer_relative_search_space(study, trial)
        params = sampler.sample_relative(study, trial, related)
        for name, axis in space.items():
            if name not in params:
                params[name] = sampler.sample_independent(study, trial, name, axis)
        return dict(self._task.take(params))


def search_ours(
    task: Searched,
    given: Mapping[str, str],
    seed: int,
    watch: Watch,
    learned: Learned = NOTHING,
) -> Study:
    """A search by the product, with what its users have who give no more than this; its study.

    `learned` are the trials of earlier studies.
    """
    limit = watch.budgets[-1] * task.epochs / WORKERS + 1
    experiment = Experiment(
        "curves",
        {**task.space, "epochs": task.epochs},
        _never,
        metric="loss",
        direction="minimize",
        dataset=None,
        trials=1_000_000,
        time_limit=limit,
        seed=seed,
        **{**given, "sampler": OnTable(given.get("sampler", default_of("sampler")), task)},  # type: ignore[arg-type]
    )
    clock = VirtualClock()
    ledger = Ledger("curves", "minimize")
    study = WatchedStudy(settle(experiment, {}), ledger, clock=clock, learned=learned)
    study.watch = watch
    task.start()

    def curve(cell: Cell) -> Iterator[Step]:
        losses = task.curve(cell.params)
        watch.begin(cell.trial, losses)
        for epoch, loss in enumerate(losses, 1):
            yield Step(epoch, {"loss": float(loss)})

    run(study, curve, workers=WORKERS, clock=clock)
    return study


def search_peer(task: Task, peer: Peer, watch: Watch) -> None:
    """A search by another library: its workers train an epoch each in turn."""
    task.start()
    slots: list[tuple[Any, int, np.ndarray, int] | None] = [None] * WORKERS
    started = 0
    while not watch.over:
        for worker in range(WORKERS):
            slot = slots[worker]
            if slot is None:
                trial, params = peer.ask()
                slot = (trial, started, task.curve(task.take(params)), 0)
                watch.begin(started, slot[2])
                started += 1
            trial, number, losses, epoch = slot
            loss = float(losses[epoch])
            watch.note(number, loss)
            go_on = not math.isnan(loss) and peer.report(trial, epoch + 1, loss)
            last = epoch + 1 == len(losses)
            slots[worker] = (trial, number, losses, epoch + 1)
            if last or not go_on:
                peer.end(trial, loss, pruned=not last)
                slots[worker] = None


def search(
    family: str, made_of: tuple[Any, ...], method: str, seed: int, budgets: Sequence[int] = BUDGETS
) -> dict[str, Any]:
    """One search: a row of `--out`. Methods and seeds draw from streams of their own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = make_task(family, made_of)
    watch = Watch(task, budgets)
    stream = zlib.crc32(f"{task.name} {method} {seed}".encode())
    started = time.process_time()
    if method in OURS:
        search_ours(task, OURS[method], stream, watch)
    else:
        search_peer(task, PEERS[method](task.space, task.epochs, stream), watch)
    at = budgets.index(RETURNED_AT) if RETURNED_AT in budgets else -1
    return {
        "family": family,
        "task": task.name,
        "method": method,
        "seed": seed,
        "seen": watch.seen,
        "any": watch.returned[at],
        "trials": len(watch.ends),
        "seconds": time.process_time() - started,
    }


Job = tuple[str, tuple[Any, ...], str, int]
"""A family, what makes the task, a method and a seed."""


def searched(jobs: Sequence[Job], out: Path | None, processes: int) -> list[dict[str, Any]]:
    """The rows of these searches: those that `out` has, and the others', appended as they end."""

    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        return row["family"], row["task"], row["method"], row["seed"]

    lines = out.read_text().splitlines() if out is not None and out.exists() else []
    known = {key(row): row for row in map(json.loads, lines) if len(row["seen"]) == len(BUDGETS)}
    keys = [(family, task_name(family, made), method, seed) for family, made, method, seed in jobs]
    left = [job for job, name in zip(jobs, keys, strict=True) if name not in known]
    if not left:
        return [known[name] for name in keys]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for row in pool.imap_unordered(_searched, left):
            known[key(row)] = row
            if out is not None:
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    return [known[name] for name in keys]


def _searched(job: Job) -> dict[str, Any]:
    return search(*job)


def proposal_ms(told: int, sampler: str | None = None, repeats: int = 30) -> float:
    """Milliseconds of CPU that a proposal takes after so many trials, on LCBench's axes.

    Each is told a value before the next; the first one, which reads the whole study, counts not.
    """
    space = SearchSpace(LCBench.space)
    rng = np.random.default_rng(0)
    columns = Columns(space.searched())
    setting = Setting(seed=1, space=space, last_epoch=51)
    study = optuna.create_study()
    trials = []
    for units in columns.draws(rng, told):
        params = columns.params(units)
        deepest = int(rng.choice([1, 1, 1, 3, 3, 9, 27]))
        values = {e: float(rng.random()) for e in (1, 3, 9, 27) if e <= deepest}
        trials.append(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED,
                params=params,
                distributions=space.distributions(params),
                intermediate_values=values,
            )
        )
    study.add_trials(trials)
    opened = open_sampler(sampler or default_of("sampler"))
    taken = []
    for number in range(told, told + repeats + 1):
        study.sampler = for_trial(opened, number, setting)
        started = time.process_time()
        trial = study.ask()
        space.suggest(trial)
        taken.append(time.process_time() - started)
        trial.report(float(rng.random()), 1)
        study.sampler = optuna.samplers.RandomSampler()
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return 1000 * float(np.mean(taken[1:]))


def default_of(name: str) -> str:
    """An Experiment's default."""
    return str(next(f.default for f in fields(Experiment) if f.name == name))


def regret_of(value: float, best: float, bad: float) -> float:
    if math.isnan(value):
        return 1.0
    return min(max((value - best) / (bad - best), 0.0), 1.0)


def _never(trial: Trial) -> None:
    raise NotImplementedError("a simulated study trains nothing")


def main() -> None:
    """Run the searches and print their tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--curves", type=Path, default=CURVES, help="the folder of curves")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a file of rows, appended to")
    parser.add_argument("--methods", default=";".join(METHODS), help="some of them, by ';'")
    parser.add_argument("--families", default="lcbench,taskset,crossing")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    methods = options.methods.split(";")
    known = list(tasks_of(options.curves))
    print(f"default: {default_of('sampler')} + {default_of('scheduler')}, {options.seeds} seeds")
    for family in options.families.split(","):
        jobs = [
            (family, made_of, method, seed)
            for kind, made_of in known
            if kind == family
            for seed in range(options.seeds)
            for method in methods
        ]
        rows = searched(jobs, options.out, options.processes)
        budgets = " ".join(map(str, BUDGETS))
        print(f"\n{family}: regret after {budgets} trainings; paired with {REFERENCE}")
        print("\n".join(table(rows)), flush=True)
    for told in (100, 1000, 5000):
        print(f"a proposal after {told} trials: {proposal_ms(told):.1f} ms")


if __name__ == "__main__":
    main()

"""Replaying recorded curves: what would another scheduler have found, when, and at what cost?

A study whose trials all ran to their end (a grid, say) is a table of curves. `simulate` gives them,
in a random order for each seed, to the very study and scheduler code of a real run, on the
simulated engine with a virtual clock that takes the recorded seconds. The scheduler "one-epoch" is
the baseline of Egele et al., "Is One Epoch All You Need For Multi-Fidelity Hyperparameter
Optimization?", arXiv 2307.15422: train every configuration for one epoch, and the best `top` of
them to the end.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.replay_record import (
    Recorded,
    key_of,
    never,
    record,
    recorded_experiment,
    recorded_space,
)
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.errors import ResultsError
from tuner.experiment.experiment import KerasModel
from tuner.experiment.settle import scheduler_of
from tuner.experiment.words import TRIALS
from tuner.samplers.registry import GRID
from tuner.schedulers.board import Board
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.study_tables import StudyTables
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import Cell, State

__all__ = ["ONE_EPOCH", "bands", "decide_again", "record", "simulate", "summarise"]

ONE_EPOCH = "one-epoch"
FRONT = ["scheduler", "sampler", "eta", "workers", "seed"]


def simulate(
    recorded: Recorded,
    *,
    scheduler: str,
    eta: int = 3,
    min_epochs: int = 1,
    workers: int = 8,
    sampler: str = "random",
    seeds: int = 20,
    top: int = 10,
) -> pd.DataFrame:
    """One row a finished trial and seed, as the simulated study went.

    Columns: `scheduler`, `sampler` (strings), `eta`, `workers`, `seed` (int64), `trial` (int64, in
    the order of the simulation), `state` (string), `epochs` (int64, spent so far by all workers),
    `time_s` (float64, virtual seconds since the start), `regret` (float64, of the best
    trial so far against the table's best; NaN before there is one, and below 0 where values are
    those of the last epoch and a trial was stopped at a better one). `sampler` "random" takes every
    recorded point in a random order; any other proposes among the recorded values of the axes.
    """
    if sampler != "random" and recorded.experiment.sampler != GRID:
        raise ResultsError(
            f"sampler {sampler!r} proposes any of the recorded values together, and this study "
            "holds no grid of them; simulate it with sampler 'random', or record a grid"
        )
    frames = []
    for seed in range(seeds):
        if scheduler == ONE_EPOCH:
            rows = _one_epoch(recorded, seed, workers, top)
        else:
            rows = _search(recorded, scheduler, sampler, eta, min_epochs, workers, seed)
        frame = pd.DataFrame(rows, columns=["trial", "state", "epochs", "time_s", "regret"])
        fixed = {
            "scheduler": scheduler,
            "sampler": sampler,
            "eta": eta,
            "workers": workers,
            "seed": seed,
        }
        frames.append(frame.assign(**fixed)[[*FRONT, *frame.columns]])
    return pd.concat(frames, ignore_index=True)


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """One row a setting, over seeds: medians, and a tenth and nine tenths of the final regret.

    Columns: `scheduler`, `sampler`, `eta`, `workers`, `seeds` (int64), `epochs`, `time_s`,
    `regret`, `regret_low`, `regret_high` (float64).
    """
    last = runs.groupby(FRONT, sort=False).last().reset_index()
    grouped = last.groupby(FRONT[:-1], sort=False)
    return grouped.agg(
        seeds=("seed", "size"),
        epochs=("epochs", "median"),
        time_s=("time_s", "median"),
        regret=("regret", "median"),
        regret_low=("regret", lambda values: values.quantile(0.1)),
        regret_high=("regret", lambda values: values.quantile(0.9)),
    ).reset_index()


def bands(runs: pd.DataFrame, steps: int = 60) -> pd.DataFrame:
    """Regret against epochs spent: median, a tenth and nine tenths over seeds, at common epochs.

    Columns: `scheduler`, `sampler`, `eta`, `workers`, `epochs` (float64), `median`, `low`, `high`.
    """
    frames = []
    for setting, frame in runs.groupby(FRONT[:-1], sort=False):
        grid = np.linspace(0, frame["epochs"].max(), steps)
        values = []
        for _, one in frame.groupby("seed"):
            at = np.searchsorted(one["epochs"].to_numpy(), grid, side="right") - 1
            regret = one["regret"].to_numpy()
            values.append(np.where(at >= 0, regret[np.maximum(at, 0)], np.nan))
        column = pd.DataFrame(np.array(values))
        band = pd.DataFrame(
            {
                "epochs": grid,
                "median": column.median(),
                "low": column.quantile(0.1),
                "high": column.quantile(0.9),
            }
        )
        names = dict(zip(FRONT[:-1], setting, strict=True))
        frames.append(band.assign(**names)[[*FRONT[:-1], *band.columns]])
    return pd.concat(frames, ignore_index=True)


def decide_again(results: StudyTables) -> pd.DataFrame:
    """The recorded reports in their order, given to a fresh scheduler of the recorded settings.

    Columns: those of the reports table, and `again` (string): what the scheduler decides now.
    """
    experiment = replace(recorded_experiment(results.study), mode="search")
    scheduler = scheduler_of(experiment)
    board = Board()
    metric, sign = experiment.goals[0].metric, experiment.goals[0].sign
    reports = results.reports.sort_values("order", ignore_index=True)
    last = results.trials.set_index("trial").get("param_epochs")
    again = []
    columns = (reports[name].tolist() for name in ("trial", "fold", "epoch", metric))
    for trial, fold, epoch, value in zip(*columns, strict=True):
        limit = None if last is None else int(last[trial])
        cell, loss = Cell(trial, 1, fold, {}, 0, limit), sign * value
        verdict = scheduler.judge(cell, epoch, loss, board)
        board.note(cell.key, epoch, loss, verdict.rung)
        again.append(str(verdict.decision))
    return reports.assign(again=again)


def _search(
    recorded: Recorded,
    scheduler: str,
    sampler: str,
    eta: int,
    min_epochs: int,
    workers: int,
    seed: int,
) -> list[tuple[Any, ...]]:
    clock = VirtualClock()
    shuffled = sampler == "random"
    longest = max(len(steps) for steps in recorded.curves.values())
    experiment = replace(
        recorded.experiment,
        space=_whole_space(recorded) if shuffled else recorded_space(recorded),
        mode="search",
        scheduler=scheduler,
        sampler="random" if shuffled else sampler,
        eta=eta,
        min_epochs=min_epochs,
        epochs=longest,
        objective=KerasModel(
            build=never,
            optimizer=never,
            epochs=lambda params: len(recorded.curves[key_of(params)]),
        ),
        trials=len(recorded.points),
        seed=seed,
        time_limit=None,
        deterministic=False,
        repeats=1,
        stop=TRIALS,
        engine="ray_tune",
    )
    study = Study(experiment, Ledger("replay", experiment.direction), clock=clock)
    if shuffled:
        order = np.random.default_rng(seed).permutation(len(recorded.points))
        study.proposals.points = [recorded.points[i] for i in order]
    rows: list[tuple[Any, ...]] = []

    def ended(trial: Record) -> None:
        if trial.state is not State.RUNNING:
            best = study.best()
            value = np.nan if best is None else recorded.sign * (best.value or 0.0)
            regret = value - recorded.best_loss
            rows.append((trial.trial, str(trial.state), study.order, clock.now, regret))

    study.on_change = ended

    def curve(cell: Cell) -> Iterator[Step]:
        yield from recorded.curves[key_of(cell.params)]

    run(study, curve, workers=workers, clock=clock)
    return rows


def _whole_space(recorded: Recorded) -> SearchSpace:
    """The study's own space; a curve's length is said beside it."""
    axes = SearchSpace(recorded.experiment.space)
    return SearchSpace({name: axis for name, axis in axes.items() if name != "epochs"})


def _one_epoch(recorded: Recorded, seed: int, workers: int, top: int) -> list[tuple[Any, ...]]:
    """Every point for one epoch, then the best `top` of them to their end, on `workers`."""
    order = np.random.default_rng(seed).permutation(len(recorded.points))
    curves = [recorded.curves[key_of(recorded.points[i])] for i in order]
    metric = recorded.experiment.goals[0].metric
    first = [recorded.sign * steps[0].metrics.get(metric, np.nan) for steps in curves]
    chosen = np.argsort(first)[:top]  # NaN sorts last
    free = [0.0] * workers
    for steps in curves:
        heapq.heappushpop(free, free[0] + steps[0].seconds)
    start = max(free)
    free = [start] * workers
    ends = []
    for index in chosen:
        steps = curves[index]
        end = free[0] + sum(step.seconds for step in steps[1:])
        heapq.heapreplace(free, end)
        ends.append((end, int(index), steps))
    rows: list[tuple[Any, ...]] = []
    epochs, best = len(curves), np.inf
    for end, index, steps in sorted(ends, key=lambda item: item[:2]):
        epochs += len(steps) - 1
        best = min(best, recorded.loss(steps))
        rows.append((index, "COMPLETE", epochs, end, best - recorded.best_loss))
    return rows

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
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tuner.engines.simulated import Step, VirtualClock, run
from tuner.errors import ResultsError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.settle import scheduler_of
from tuner.samplers.registry import GRID
from tuner.schedulers.board import Board
from tuner.search_space.axes import Categorical
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import point_text
from tuner.store.layout import REPORT_COLUMNS_FIRST, REPORT_COLUMNS_LAST
from tuner.store.ledger import Ledger
from tuner.store.study_json import StudyFile
from tuner.store.study_tables import StudyTables
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import Cell, State
from tuner.trial.trial import Trial

ONE_EPOCH = "one-epoch"
FRONT = ["scheduler", "sampler", "eta", "workers", "seed"]


@dataclass(frozen=True)
class Recorded:
    """A study as a table of curves: a point's steps by its JSON form."""

    experiment: Experiment
    points: list[dict[str, Any]]
    curves: dict[str, list[Step]]

    @property
    def sign(self) -> float:
        """1 where the metric is minimised, -1 where it is maximised."""
        return -1.0 if self.experiment.direction == "maximize" else 1.0

    def loss(self, steps: Sequence[Step]) -> float:
        """The loss at a curve's end, NaN where the metric was not reported."""
        return self.sign * steps[-1].metrics.get(self.experiment.metric, np.nan)

    @property
    def best_loss(self) -> float:
        """The least loss that any curve ends with."""
        return float(np.nanmin([self.loss(steps) for steps in self.curves.values()]))


def record(results: StudyTables) -> Recorded:
    """The table of a study's COMPLETE and DIVERGED trials, on fold 0.

    Raises ResultsError if none is COMPLETE: a stopped curve does not say how it would have ended.
    """
    experiment = _experiment(results.study)
    ended = results.trials[results.trials["state"].isin(["COMPLETE", "DIVERGED"])]
    if not (ended["state"] == "COMPLETE").any():
        raise ResultsError(f"{results.path} has no COMPLETE trial whose curve could be replayed")
    metrics = [name for name in results.reports if name not in _NO_METRIC]
    rows = results.reports[results.reports["fold"] == 0].sort_values(["trial", "epoch"])
    by_trial = {int(trial): frame for trial, frame in rows.groupby("trial")}
    points: list[dict[str, Any]] = []
    curves: dict[str, list[Step]] = {}
    for trial, state in zip(ended["trial"], ended["state"], strict=True):
        point = {n: v for n, v in results.params(int(trial)).items() if n != "epochs"}
        if int(trial) in by_trial:
            steps = _steps(by_trial[int(trial)], metrics)
            if state == "DIVERGED":  # a table's NaN may also say that nothing was reported
                steps[-1] = replace(steps[-1], metrics={experiment.metric: math.nan})
            known = curves.get(_key(point))
            if known is None:
                points.append(point)
            if known is None or len(steps) > len(known):  # a grid over epochs: the longest has all
                curves[_key(point)] = steps
    return Recorded(experiment, points, curves)


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
    trial so far against the table's best; NaN before there is one). `sampler` "random" takes every
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
    experiment = replace(_experiment(results.study), mode="search")
    scheduler = scheduler_of(experiment)
    board = Board()
    sign = -1.0 if experiment.direction == "maximize" else 1.0
    reports = results.reports.sort_values("order", ignore_index=True)
    last = results.trials.set_index("trial").get("param_epochs")
    again = []
    for row in reports.itertuples():
        limit = None if last is None else int(last[row.trial])
        loss = sign * getattr(row, experiment.metric)
        cell = Cell(row.trial, 1, row.fold, {}, 0, limit)
        verdict = scheduler.judge(cell, row.epoch, loss, board)
        board.note(cell.key, row.epoch, loss, verdict.rung)
        again.append(str(verdict.decision))
    return reports.assign(again=again)


def _experiment(study: StudyFile) -> Experiment:
    """What a study ran, but for its training function and its data."""
    options = study.experiment.without_code() | {"objective": _never, "dataset": None}
    return Experiment(study.experiment.name, study.settled_space(), **options)


# ------------------------------------------------------------------------- one simulated run


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
        space=_recorded_space(recorded),
        mode="search",
        scheduler=scheduler,
        sampler="random" if shuffled else sampler,
        eta=eta,
        min_epochs=min_epochs,
        epochs=longest,
        objective=KerasModel(
            build=_never,
            optimizer=_never,
            epochs=lambda params: len(recorded.curves[_key(params)]),
        ),
        trials=len(recorded.points),
        seed=seed,
        time_limit=None,
        deterministic=False,
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
        yield from recorded.curves[_key(cell.params)]

    run(study, curve, workers=workers, clock=clock)
    return rows


def _one_epoch(recorded: Recorded, seed: int, workers: int, top: int) -> list[tuple[Any, ...]]:
    """Every point for one epoch, then the best `top` of them to their end, on `workers`."""
    order = np.random.default_rng(seed).permutation(len(recorded.points))
    curves = [recorded.curves[_key(recorded.points[i])] for i in order]
    metric = recorded.experiment.metric
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


def _recorded_space(recorded: Recorded) -> SearchSpace:
    """The space of the recorded values: what a sampler may propose is then in the table."""
    space = SearchSpace(recorded.experiment.space)
    axes = {}
    for name, axis in space.items():
        if name != "epochs":
            values = list(dict.fromkeys(p[name] for p in recorded.points if name in p))
            axes[name] = Categorical(values, when=axis.when)
    return SearchSpace(axes)


def _steps(frame: pd.DataFrame, metrics: Sequence[str]) -> list[Step]:
    times = frame["time_s"].to_numpy()
    seconds = np.diff(times, prepend=0.0)
    values = frame[list(metrics)].to_dict("records")
    return [
        Step(int(epoch), {n: v for n, v in row.items() if not pd.isna(v)}, float(spent))
        for epoch, row, spent in zip(frame["epoch"], values, seconds, strict=True)
    ]


def _key(params: Mapping[str, Any]) -> str:
    return point_text({n: v for n, v in params.items() if n != "epochs"})


def _never(trial: Trial) -> None:
    raise NotImplementedError("a replay trains nothing")


_NO_METRIC = {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST} - {"learning_rate"}

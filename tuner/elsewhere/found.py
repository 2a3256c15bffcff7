"""Trials that others ran, and the study's folder that is made of them.

Nothing of another's is ever unpickled: what is read is JSON, YAML, CSV, text, or Optuna's storage.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from tuner.errors import EngineError, ExperimentError, ResultsError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.schedulers.board import Board
from tuner.schedulers.contract import GO_ON, Verdict
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import EXACT_WHOLE
from tuner.store.folder import locked, make_folder, study_path
from tuner.store.layout import PARAM_PREFIX, REPORTS_FOLDER, STUDY_FILE, TRIALS_FILE
from tuner.store.parquet import microseconds, put_parquet
from tuner.store.report import NEVER_A_METRIC, Report
from tuner.store.report_parts import Parts
from tuner.store.study_json import describe
from tuner.store.trials_table import trials_schema
from tuner.store.write_errors import writing
from tuner.trial.cells import Cell, Decision, State

LOG_FROM = 100.0
"""An axis whose highest value is so many times its lowest is taken for a logarithmic one."""


@dataclass(frozen=True)
class Found:
    """One trial: its parameters, and the metrics of each epoch (from 1) that it reported."""

    params: Mapping[str, Any]
    reports: Mapping[int, Mapping[str, float]]
    state: State = State.COMPLETE
    started_at: float | None = None
    duration_s: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Elsewhere:
    """Stands for the sampler, the scheduler and the engine of a study that others ran."""

    tool: str
    has_rungs: ClassVar[bool] = False
    pauses: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"imported from {self.tool}"

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        return GO_ON

    def why_not(self) -> str | None:
        return f"its trials were run by {self.tool}"

    def run(self, study: Any) -> None:
        raise EngineError(f"this study cannot be run, since {self.why_not()}")


@dataclass(frozen=True)
class Results:
    """What a source holds: its trials, and of the axes those that it declares."""

    tool: str
    trials: Sequence[Found]
    axes: Mapping[str, Axis] = field(default_factory=dict)
    direction: str = "auto"


def write_study(
    results: Results,
    folder: Path,
    name: str,
    metric: str,
    direction: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make the study `folder/name` of trials; its path.

    Metrics with the name of another column of the reports are left out. A trial that lacks the
    metric is left out too, said. Raises ExperimentError where none has it, and where there is such
    a study.
    """
    trials = [one for one in results.trials if _has(one, metric) or one.state is State.FAILED]
    if not any(_has(one, metric) for one in trials):
        known = sorted({n for t in results.trials for r in t.reports.values() for n in r})
        raise ExperimentError(
            f"none of {len(results.trials)} trials has a value of {metric!r}",
            field="metric",
            way_out=f"name one of {', '.join(known[:20])}" if known else "name another source",
        )
    if left := len(results.trials) - len(trials):
        say(f"{left} trials without a value of {metric} are left out")
    trials, unborn = _apart(trials)
    if unborn:
        say(f"{unborn} trials that failed before they had all parameters are left out")
    space, params = space_of(trials, results.axes, say)
    one = Elsewhere(results.tool)
    if direction == "auto":
        direction = results.direction
    experiment = Experiment(
        name,
        space,
        _trained_elsewhere,
        metric=metric,
        direction=direction,
        dataset=None,
        trials=len(trials),
        sample_epochs=True,
        sampler=one,  # type: ignore[arg-type]  # it is never asked for a point
        scheduler=one,
        engine=one,
    )
    settled = settle(experiment, {})
    path = study_path(folder, name)
    if (path / STUDY_FILE).exists():
        raise ExperimentError(
            f"{path} is a study already", field="name", way_out="give another name"
        )
    make_folder(path)
    with locked(path), writing(path):
        reports = list(_reports(trials))
        names = dict.fromkeys(name for report in reports for name in report.metrics)
        metrics = [name for name in names if name != "learning_rate"]  # it has a column
        (path / REPORTS_FOLDER).mkdir(exist_ok=True)
        parts = Parts(path / REPORTS_FOLDER)
        parts.write(0, [], metrics)
        parts.write(1, reports, metrics)
        put_parquet(path / TRIALS_FILE, _table(trials, params, settled, results.tool))
        loaded = Loaded(settled, Source("object", __name__))
        describe(loaded, settled, None, name=name).write(path)
    return path


def _apart(trials: Sequence[Found]) -> tuple[list[Found], int]:
    """The trials without those that failed with fewer parameters than all others have; how many."""
    ended = [{*one.params} for one in trials if one.state is not State.FAILED]
    common = set.intersection(*ended) if ended else set()
    kept = [one for one in trials if one.state is not State.FAILED or common <= {*one.params}]
    return kept, len(trials) - len(kept)


def space_of(
    trials: Sequence[Found],
    declared: Mapping[str, Axis],
    say: Callable[[str], None] = lambda line: None,
) -> tuple[SearchSpace, list[dict[str, Any]]]:
    """The space that trials came from, and their points in it.

    Axes that are not `declared` go from the lowest to the highest value there was. Those that not
    every trial has are left out, said: nobody tells when they exist. Names become identifiers.
    """
    names = list(dict.fromkeys(name for one in trials for name in one.params))
    kept = [name for name in names if all(name in one.params for one in trials)]
    if partly := [name for name in names if name not in kept]:
        say(f"parameters that not every trial has are left out: {', '.join(partly)}")
    if not kept:
        raise ResultsError("the trials have no parameter in common")
    safe = {name: _identifier(name) for name in kept}
    if len({*safe.values()}) < len(safe):
        raise ResultsError(f"parameters whose names are alike: {', '.join(kept)}")
    axes = {
        safe[name]: declared.get(name) or _axis([one.params[name] for one in trials])
        for name in kept
    }
    points = [{safe[name]: one.params[name] for name in kept} for one in trials]
    return SearchSpace(axes), points


def read_value(text: Any) -> Any:
    """A parameter that was written as text: a number, True, False or None where it reads as one."""
    if not isinstance(text, str):
        return text
    named = {"true": True, "false": False, "none": None}
    if text.lower() in named:
        return named[text.lower()]
    for kind in () if "_" in text else (int, float):  # Python's own would read 64_32 as 6432
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def from_one(reports: Mapping[int, Mapping[str, float]]) -> dict[int, Mapping[str, float]]:
    """Reports by epochs from 1, of a source that may count from 0."""
    shift = 1 if min(reports, default=1) == 0 else 0
    return {step + shift: metrics for step, metrics in sorted(reports.items()) if step >= 0}


def _has(trial: Found, metric: str) -> bool:
    return any(metric in metrics for metrics in trial.reports.values())


def _identifier(name: str) -> str:
    safe = re.sub(r"\W", "_", name)
    return safe if safe.isidentifier() else f"_{safe}"


def _axis(values: Sequence[Any]) -> Axis:
    """An axis that holds all of these values."""
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    distinct = list({json.dumps(v, sort_keys=True, default=str): v for v in values}.values())
    if len(distinct) == 1:
        return Constant(distinct[0])
    if not numbers:
        return Categorical(distinct)
    low, high = min(values), max(values)
    log = low > 0 and high / low >= LOG_FROM
    if all(isinstance(v, int) for v in values):
        if max(abs(low), abs(high)) > EXACT_WHOLE:  # a seed, say: what is kept must be it
            return Categorical(distinct)
        return Int(low, high, log=log)
    return Float(float(low), float(high), log=log)


def _reports(trials: Sequence[Found]) -> list[Report]:
    found: list[Report] = []
    for number, trial in enumerate(trials):
        last = max(trial.reports, default=0)
        for epoch, metrics in sorted(trial.reports.items()):
            stopped = epoch == last and trial.state in (State.STOPPED, State.DIVERGED)
            share = (trial.duration_s or 0.0) * epoch / last
            found.append(
                Report(
                    trial=number,
                    attempt=1,
                    fold=0,
                    epoch=epoch,
                    time_s=share,
                    metrics={n: v for n, v in metrics.items() if n not in NEVER_A_METRIC},
                    decision=(Decision.STOP if stopped else Decision.CONTINUE).value,
                    order=len(found),
                    at=None if trial.started_at is None else trial.started_at + share,
                )
            )
    return found


def _table(
    trials: Sequence[Found], params: Sequence[Mapping[str, Any]], settled: Experiment, tool: str
) -> pa.Table:
    """trials.parquet: a trial's value is that of its best epoch, as in a search."""
    space, goal = SearchSpace(settled.space), settled.goals[0]
    schema = trials_schema(space)
    best = min if goal.direction == "minimize" else max
    rows = []
    for number, (trial, point) in enumerate(zip(trials, params, strict=True)):
        values = {
            epoch: metrics[goal.metric]
            for epoch, metrics in trial.reports.items()
            if math.isfinite(metrics.get(goal.metric, math.nan))
        }
        valued = bool(values) and trial.state in (State.COMPLETE, State.STOPPED)
        at = best(values, key=lambda epoch: values[epoch]) if valued else None
        encoded = {PARAM_PREFIX + name: space[name].encode(v) for name, v in point.items()}
        for name, label in encoded.items():
            if pa.types.is_string(schema.field(name).type) and label is not None:
                encoded[name] = str(label)
        rows.append(
            {
                **encoded,
                "trial": number,
                "attempt": 1,
                "state": trial.state.value,
                "value": None if at is None else values[at],
                "best_epoch": at,
                "epochs": max(trial.reports, default=0),
                "rung": 0,
                "seed": "",
                "engine": f"imported from {tool}",
                "host": "",
                "started_at": microseconds(trial.started_at),
                "duration_s": trial.duration_s,
                "error": trial.error,
            }
        )
    columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in schema]
    return pa.table(columns, schema=schema)


def _trained_elsewhere(trial: Any) -> None:
    """Stands for the training, which others did."""
    raise EngineError("this study was imported: its trainings were run elsewhere")

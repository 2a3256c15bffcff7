"""What a study has recorded, as a table of curves that a replay draws from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tuner.engines.simulated import Step
from tuner.errors import ResultsError
from tuner.experiment.experiment import Experiment
from tuner.experiment.goals import VIOLATION
from tuner.search_space.axes import Categorical
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import point_text
from tuner.store.layout import REPORT_COLUMNS_FIRST, REPORT_COLUMNS_LAST
from tuner.store.study_json import StudyFile
from tuner.store.study_tables import StudyTables
from tuner.trial.trial import Trial

_NO_METRIC = {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST} - {"learning_rate"}

BEYOND = "recorded_violation"
"""How far a report was from keeping the constraints, as a replay's constraints are told it: a
metric `violation` is what they come to, and none that they may read."""


@dataclass(frozen=True)
class Recorded:
    """A study as a table of curves: a point's steps by its JSON form."""

    experiment: Experiment
    points: list[dict[str, Any]]
    curves: dict[str, list[Step]]

    @property
    def sign(self) -> float:
        """1 where the metric is minimised, -1 where it is maximised."""
        return self.experiment.goals[0].sign

    def loss(self, steps: Sequence[Step]) -> float:
        """A whole curve's loss by the study's rule: that of its last epoch, or of its best.

        NaN where the curve ends in NaN, and where that epoch does not keep the constraints.
        """
        metric = self.experiment.goals[0].metric
        if math.isnan(steps[-1].metrics.get(metric, math.nan)):
            return math.nan
        losses = [self.sign * step.metrics.get(metric, math.inf) for step in steps]
        at = losses.index(min(losses)) if self.experiment.value == "best" else -1
        return math.nan if steps[at].metrics.get(BEYOND, 0.0) > 0 else losses[at]

    @property
    def best_loss(self) -> float:
        """The least loss of all whole curves; NaN where none has one."""
        losses = map(self.loss, self.curves.values())
        return min((loss for loss in losses if not math.isnan(loss)), default=math.nan)


def record(results: StudyTables) -> Recorded:
    """The table of a study's COMPLETE and DIVERGED trials, on fold 0.

    Raises ResultsError if none is COMPLETE: a stopped curve does not say how it would have ended.
    """
    experiment = recorded_experiment(results.study)
    ended = results.trials[results.trials["state"].isin(["COMPLETE", "DIVERGED"])]
    if "parent" in ended:  # the curves of a population's later trials begin in mid-training
        ended = ended[ended["parent"].isna()]
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
                steps[-1] = replace(steps[-1], metrics={experiment.goals[0].metric: math.nan})
            known = curves.get(key_of(point))
            if known is None:
                points.append(point)
            if known is None or len(steps) > len(known):  # a grid over epochs: the longest has all
                curves[key_of(point)] = steps
    return Recorded(experiment, points, curves)


def recorded_experiment(study: StudyFile) -> Experiment:
    """What a study ran, but for its training function and its data."""
    options = study.experiment.without_code() | {"objective": never, "dataset": None}
    if study.experiment.constrained:
        options["constraints"] = _as_recorded
    return Experiment(study.experiment.name, study.settled_space(), **options)


# ------------------------------------------------------------------------- one simulated run


def recorded_space(recorded: Recorded) -> SearchSpace:
    """The space of the recorded values: what a sampler may propose is then in the table."""
    space = SearchSpace(recorded.experiment.space)
    axes = {}
    for name, axis in space.items():
        if name != "epochs":
            values = {axis.encode(p[name]): p[name] for p in recorded.points if name in p}
            axes[name] = Categorical(values.values(), when=axis.when)
    return SearchSpace(axes)


def _steps(frame: pd.DataFrame, metrics: Sequence[str]) -> list[Step]:
    times = frame["time_s"].to_numpy()
    seconds = np.diff(times, prepend=0.0)
    values = frame[list(metrics)].to_dict("records")
    return [
        Step(
            int(epoch),
            {BEYOND if n == VIOLATION else n: v for n, v in row.items() if not pd.isna(v)},
            float(spent),
        )
        for epoch, row, spent in zip(frame["epoch"], values, seconds, strict=True)
    ]


def _as_recorded(metrics: Mapping[str, float]) -> Sequence[float]:
    """Stands for the study's constraints."""
    return [metrics.get(BEYOND, 0.0)]


def key_of(params: Mapping[str, Any]) -> str:
    return point_text({n: v for n, v in params.items() if n != "epochs"})


def never(trial: Trial) -> None:
    raise NotImplementedError("a replay trains nothing")

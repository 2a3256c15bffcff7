"""learned.json: the trials of earlier studies that a study learns from, as they were at its start.

They are read once, when the study is new, and kept in its folder: so a resume is told the same, and
the earlier studies may change or be gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from tuner.curve_model.curves import Curve
from tuner.curve_model.model import enough
from tuner.curve_model.sources import Learned, Source
from tuner.data.datasets import Dataset
from tuner.errors import ExperimentError, ResultsError
from tuner.experiment.experiment import Experiment
from tuner.experiment.goals import Goal
from tuner.files import put_bytes
from tuner.search_space.axes import Categorical, Constant, Float, Int, NotOnAxis
from tuner.search_space.space import SearchSpace
from tuner.store.layout import LEARNED_FILE, STUDY_FILE
from tuner.store.study_json import StoredDataset
from tuner.store.study_tables import StudyTables, read_study, row_params
from tuner.store.uris import is_uri
from tuner.trial.cells import State

FIELD = "learn_from"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class KeptCurve(_Record):
    """A trial of a source: its values of the shared axes, and its losses by epoch."""

    trial: int
    params: dict[str, float | str | bool | None]
    losses: dict[int, float]
    diverged: bool = False


class KeptSource(_Record):
    """An earlier study: where it lay, on what data it was run, and what it taught."""

    path: str
    dataset: StoredDataset | None
    axes: list[str]
    ends: bool
    curves: list[KeptCurve]

    def source(self, space: SearchSpace) -> Source:
        searched = space.searched()
        curves = [Curve(c.trial, c.params, c.losses, c.diverged) for c in self.curves]
        return Source(self.path, {n: searched[n] for n in self.axes}, curves, self.ends)


class KeptSources(_Record):
    """All that a study learns from; nothing, where it learns from no other."""

    sources: list[KeptSource] = []

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ResultsError where the file is missing or broken."""
        file = folder / LEARNED_FILE
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise ResultsError(
                f"{file} is missing, which holds what the study learned from others"
            ) from None
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise ResultsError(f"{file} cannot be read: {reason}") from None

    def write(self, folder: Path) -> None:
        """Write the file, where there is anything to keep."""
        if self.sources:
            put_bytes(folder / LEARNED_FILE, self.model_dump_json().encode() + b"\n")

    def learned(self, space: SearchSpace) -> Learned:
        """What the study's model is told."""
        return Learned(tuple(source.source(space) for source in self.sources))

    def said_of_data(self, dataset: Dataset | None) -> Iterator[str]:
        """A line for each source that was run on other data than the study's own."""
        here = "none" if dataset is None else dataset.name
        for source in self.sources:
            before = source.dataset
            if (before and before.fingerprint) == (dataset and dataset.fingerprint):
                continue
            there = "no data that it names" if before is None else f"the data {before.name}"
            alike = " of another content" if before and before.name == here else ""
            yield (
                f"{source.path} was run on {there}{alike}, this study's are {here}: what it says "
                "counts as far as this study's own trials agree"
            )


NOTHING = KeptSources()


def sources_of(settled: Experiment, say: Callable[[str], None] = lambda line: None) -> KeptSources:
    """What a new study learns from, read of the folders that it names.

    `say` is told what is used of each. Raises ExperimentError for a study of another metric or
    direction, and where nothing is left to learn from; ResultsError for what is not a study.
    """
    kept = []
    for path in _studies(settled.learn_from or ()):
        source = _source(read_study(path), path, settled, say)
        if source is not None:
            kept.append(source)
    if settled.learn_from and not kept:
        raise ExperimentError(
            f"{', '.join(settled.learn_from)} has no study with enough to learn from",
            field=FIELD,
            way_out="drop it, or name studies with ten trials or more that have values",
        )
    return KeptSources(sources=kept)


def _studies(paths: Sequence[str]) -> Iterator[str]:
    """The studies' folders; of a folder of studies, each one in it."""
    for path in paths:
        folder = Path(path)
        inner = sorted(file.parent for file in folder.glob(f"*/{STUDY_FILE}"))
        if not is_uri(path) and not (folder / STUDY_FILE).is_file() and inner:
            yield from map(str, inner)
        else:
            yield path


def _source(
    study: StudyTables, path: str, settled: Experiment, say: Callable[[str], None]
) -> KeptSource | None:
    """What one study teaches; None, said, where that is too little."""
    goal = settled.goals[0]
    directions = study.study.experiment.directions
    if directions.get(goal.metric) != goal.direction:
        theirs = " and ".join(f"{how}s {metric}" for metric, how in directions.items())
        raise ExperimentError(
            f"{path} {theirs}, and this study {goal.direction}s {goal.metric}",
            field=FIELD,
            way_out="name studies of the same metric and direction",
        )
    space = SearchSpace(settled.space)
    theirs_space = study.study.settled_space()
    axes = [name for name in space.searched() if name in theirs_space.searched()]
    if not axes:
        raise ExperimentError(
            f"{path} searched {', '.join(theirs_space.searched()) or 'nothing'}, and this study "
            f"searches {', '.join(space.searched()) or 'nothing'}",
            field=FIELD,
            way_out="name studies that share an axis with it",
        )
    curves, elsewhere = _curves(study, space, axes, goal, judges=settled.constraints is not None)
    if not enough([Curve(c.trial, c.params, c.losses, c.diverged) for c in curves]):
        say(f"{path} has {len(curves)} trials with values on these axes: too few to learn from")
        return None
    values = sum(len(curve.losses) for curve in curves)
    say(f"learns from {path}: {len(curves)} trials, {values} values of {goal.metric}")
    new = [name for name in space.searched() if name not in axes]
    gone = [name for name in theirs_space.searched() if name not in axes]
    if new or gone:
        said = [f"not searched there: {', '.join(new)}"] if new else []
        said += [f"not searched here: {', '.join(gone)}"] if gone else []
        say(f"{path} counts for {', '.join(axes)} ({'; '.join(said)})")
    if elsewhere:
        say(f"{path}: {elsewhere} trials lie outside of this study's axes and do not count")
    ends = max((max(curve.losses, default=0) for curve in curves), default=0) <= 1
    return KeptSource(path=path, dataset=study.study.dataset, axes=axes, ends=ends, curves=curves)


def _curves(
    study: StudyTables, space: SearchSpace, axes: Sequence[str], goal: Goal, *, judges: bool
) -> tuple[list[KeptCurve], int]:
    """The trials of a study as curves, and how many of them lie outside of the new space.

    Where the new study has constraints (`judges`), a trial that kept not those of its own counts as
    one that diverged, as it does there.
    """
    losses = _losses(study.reports, goal.metric, goal.sign, study.study.experiment.cells)
    theirs = study.study.settled_space()
    curves, elsewhere = [], 0
    for row in study.trials.to_dict("records"):
        number = int(row["trial"])
        diverged = row["state"] == State.DIVERGED or (judges and row.get("feasible") is False)
        if row["state"] == State.FAILED or not (diverged or number in losses):
            continue
        params = _shared(row_params(theirs, row), theirs, space, axes)
        if params is None:
            elsewhere += 1
        else:
            told = {} if diverged else losses[number]
            curves.append(KeptCurve(trial=number, params=params, losses=told, diverged=diverged))
    return curves, elsewhere


def _losses(
    reports: pd.DataFrame, metric: str, sign: float, cells: int
) -> dict[int, dict[int, float]]:
    """Losses by trial and epoch: means over the folds, of epochs that all of them have."""
    if metric not in reports:
        return {}
    grouped = reports.groupby(["trial", "epoch"])[metric].agg(["mean", "count"])
    found: dict[int, dict[int, float]] = {}
    for (trial, epoch), mean, count in zip(
        grouped.index, grouped["mean"], grouped["count"], strict=True
    ):
        if count == cells and math.isfinite(mean):
            found.setdefault(int(trial), {})[int(epoch)] = sign * float(mean)
    return found


def _shared(
    params: Mapping[str, Any], theirs: SearchSpace, space: SearchSpace, axes: Sequence[str]
) -> dict[str, float | str | bool | None] | None:
    """A point's values of the shared axes, as Optuna has them; None outside of the new space."""
    found: dict[str, Any] = {}
    for name in axes:
        if name not in params:
            continue
        axis, value = space[name], params[name]
        if isinstance(axis, Categorical):
            try:
                found[name] = axis.encode(axis.decode(theirs[name].encode(value)))
            except NotOnAxis:
                return None
        elif isinstance(axis, Constant) or not _within(axis, value):
            return None
        else:
            found[name] = value
    return found


def _within(axis: Float | Int, value: Any) -> bool:
    """Whether a number lies between the ends of an axis; its steps do not matter here."""
    return isinstance(value, int | float) and axis.low <= value <= axis.high

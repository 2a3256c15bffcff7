"""Loading studies: three tables over one study or many, from any filesystem.

    trials, reports, studies = analysis.load("results/*")

The tables are those of the studies' folders (`tuner.store.layout` has their columns and units) with
a column `study` in front, a name that is unique among what was loaded. `studies` has one row a
study:

    study           string, name of the study; with part of its path where two share a name
    path            string, where it lies
    mode            string: search, grid or cv
    metric          string: what is searched for its best
    direction       string: maximize or minimize, what the best of the metric is
    value_rule      string: a trial's value is that of its `last` or its `best` epoch
    sampler, scheduler, engine   string
    has_rungs, pauses            bool: whether the scheduler judges at rungs, and pauses trials
    eta, min_epochs int64, of the scheduler
    epochs          float64, the most a trial may train where the experiment says so, else NaN
    folds, repeats  int64, what a cross-validation takes
    cells           int64, trainings a trial: folds * repeats in a cross-validation, else 1
    seed            string (seeds may exceed 64 bits)
    dataset, fingerprint         string, null without a dataset
    validation      string: split or test
    created_at      timestamp[us, UTC]
    command         string, the command line
    description     string
    source, space, versions, data    string, JSON as in study.json
    goals           string, JSON: each metric that is searched with its direction, the first first
    choose, simplest             string: by what rule the best is chosen (best, one_se)
    confirmed       string, JSON as in confirmed.json; null where no leader was trained again
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.joining import joined, labelled
from analysis.places import Place, find
from tuner.errors import ResultsError
from tuner.store.layout import (
    ADDED_COLUMNS,
    CONFIRMED_FILE,
    PARAM_PREFIX,
    REPORT_COLUMNS_FIRST,
    REPORT_COLUMNS_LAST,
    REPORTS_FOLDER,
    STUDY_FILE,
    TRIAL_COLUMNS,
    TRIALS_FILE,
)
from tuner.store.study_json import StudyFile

Source = str | os.PathLike[str]


class Tables(NamedTuple):
    """What `load` gives: `trials`, `reports` and `studies`, which unpack in this order."""

    trials: pd.DataFrame
    reports: pd.DataFrame
    studies: pd.DataFrame

    def only(self, study: str) -> Tables:
        """The same tables of one study. Raises ResultsError if it is not among them."""
        names = list(self.studies["study"])
        if study not in names:
            raise ResultsError(f"no study {study!r} was loaded; there are: {', '.join(names)}")
        return Tables(*(table[table["study"] == study].reset_index(drop=True) for table in self))


def load(source: Source | Iterable[Source]) -> Tables:
    """Load studies: a folder, a folder of studies, a glob, a URI (s3://...), or a list of these.

    Raises ResultsError where nothing is found, or a table is missing or broken.
    """
    places = find(source)
    names = _unique_names([_Study(place, _read_json(place)) for place in places])
    trials = [labelled(_read_trials(study.place), name) for name, study in names.items()]
    reports = [labelled(_read_reports(study.place), name) for name, study in names.items()]
    return Tables(
        trials=joined(trials, list(TRIAL_COLUMNS), before="value"),
        reports=joined(
            reports, [*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST], before="learning_rate"
        ),
        studies=pd.DataFrame(
            [_row(name, study) for name, study in names.items()], columns=list(_STUDY_COLUMNS)
        ).astype(_STUDY_COLUMNS),
    )


def params_of(trials: pd.DataFrame) -> list[str]:
    """The names of the parameters in a trials table, without their prefix."""
    return [n.removeprefix(PARAM_PREFIX) for n in trials.columns if n.startswith(PARAM_PREFIX)]


def metrics_of(reports: pd.DataFrame) -> list[str]:
    """The names of the metrics in a reports table."""
    fixed = {"study", *REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST}
    return [name for name in reports.columns if name not in fixed]


def the_study(studies: pd.DataFrame) -> pd.Series:
    """The row of a studies table that must have one. Raises ResultsError where it has not."""
    if len(studies) != 1:
        raise ResultsError(
            f"{len(studies)} studies where one is wanted; take one with tables.only(NAME)"
        )
    return studies.iloc[0]


# ------------------------------------------------------------------------------ study.json


class _Study(NamedTuple):
    place: Place
    file: StudyFile


_TEXT, _WHOLE, _REAL, _TRUTH = "string", "int64", "float64", "bool"
_EXPERIMENT_COLUMNS = {
    "mode": _TEXT,
    "metric": _TEXT,
    "direction": _TEXT,
    "value": _TEXT,
    "sampler": _TEXT,
    "scheduler": _TEXT,
    "engine": _TEXT,
    "eta": _WHOLE,
    "min_epochs": _WHOLE,
    "epochs": _REAL,
    "folds": _WHOLE,
    "repeats": _WHOLE,
    "validation": _TEXT,
    "seed": _TEXT,
}
_STUDY_COLUMNS = {
    "study": _TEXT,
    "path": _TEXT,
    **{"value_rule" if k == "value" else k: v for k, v in _EXPERIMENT_COLUMNS.items()},
    "has_rungs": _TRUTH,
    "pauses": _TRUTH,
    "cells": _WHOLE,
    "dataset": _TEXT,
    "fingerprint": _TEXT,
    "created_at": "datetime64[us, UTC]",
    "command": _TEXT,
    "description": _TEXT,
    "source": _TEXT,
    "space": _TEXT,
    "versions": _TEXT,
    "data": _TEXT,
    "goals": _TEXT,
    "choose": _TEXT,
    "simplest": _TEXT,
    "confirmed": _TEXT,
}


def _read_json(place: Place) -> StudyFile:
    try:
        text = place.read(STUDY_FILE)
    except OSError as error:
        raise ResultsError(f"{place}/{STUDY_FILE} cannot be read: {_line(error)}") from None
    return StudyFile.parse(text, f"{place}/{STUDY_FILE}", place.name)


def _row(name: str, study: _Study) -> dict[str, Any]:
    file = study.file
    experiment = file.experiment
    data = None if file.dataset is None else file.dataset.model_dump()
    try:
        return {
            **{column: getattr(experiment, column) for column in _EXPERIMENT_COLUMNS},
            "study": name,
            "path": str(study.place),
            "value_rule": experiment.value,
            "has_rungs": file.scheduler.has_rungs,
            "pauses": file.scheduler.pauses,
            "epochs": _longest(experiment.epochs, file.space.get("epochs", {})),
            "seed": str(experiment.seed),
            "cells": experiment.cells,
            "dataset": data and data["name"],
            "fingerprint": data and data["fingerprint"],
            "created_at": pd.Timestamp(file.created_at),
            "command": file.command,
            "description": experiment.description,
            "source": json.dumps(asdict(file.source)),
            "space": json.dumps(file.space),
            "versions": json.dumps(file.versions),
            "data": json.dumps(data or {}),
            "goals": json.dumps(experiment.directions),
            "choose": experiment.choose,
            "simplest": experiment.simplest,
            "confirmed": _confirmed(study.place),
        }
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"{study.place}/{STUDY_FILE} is not one that tuner wrote: "
            f"{type(error).__name__} {error}"
        ) from None


def _confirmed(place: Place) -> str | None:
    """The text of a study's confirmed.json, where it has one."""
    try:
        return place.read(CONFIRMED_FILE).decode()
    except FileNotFoundError:
        return None


def _longest(said: int | None, axis: dict[str, Any]) -> float | None:
    """The most epochs that a trial may train: as the experiment says, else its axis `epochs`."""
    known = (said, axis.get("value"), axis.get("high"))
    return next((float(number) for number in known if isinstance(number, int)), None)


def _unique_names(studies: list[_Study]) -> dict[str, _Study]:
    """The studies by name; those that share one get as much of their path as tells them apart."""
    named: dict[str, _Study] = {}
    shared: dict[str, list[_Study]] = {}
    for study in studies:
        shared.setdefault(study.file.name, []).append(study)
    for name, group in shared.items():
        parts = 1
        names = [name] if len(group) == 1 else [s.place.tail(parts) for s in group]
        while len(set(names)) < len(group) or any(n in named for n in names):
            parts += 1
            names = [s.place.tail(parts) for s in group]
        named.update(zip(names, group, strict=True))
    order = {id(study): index for index, study in enumerate(studies)}
    return dict(sorted(named.items(), key=lambda item: order[id(item[1])]))


# ---------------------------------------------------------------------------------- tables


def _read_trials(place: Place) -> pa.Table:
    return _checked(_read_parquet(place, TRIALS_FILE), TRIAL_COLUMNS, f"{place}/{TRIALS_FILE}")


def _read_reports(place: Place) -> pa.Table:
    parts = [name for name in place.names(REPORTS_FOLDER) if name.endswith(".parquet")]
    if not parts:
        raise ResultsError(f"{place}/{REPORTS_FOLDER} is missing; run the study with `resume`")
    tables = [_read_parquet(place, f"{REPORTS_FOLDER}/{name}") for name in sorted(parts)]
    table = pa.concat_tables(tables, promote_options="permissive")
    fixed = [*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST]
    return _checked(table, fixed, f"{place}/{REPORTS_FOLDER}")


def _checked(table: pa.Table, fixed: Iterable[str], path: str) -> pa.Table:
    for name, kind in ADDED_COLUMNS.items():
        if name in fixed and name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.type_for_alias(kind)))
    missing = [name for name in fixed if name not in table.column_names]
    if missing:
        raise ResultsError(
            f"{path} has no column {missing[0]!r}; open it with the tuner that wrote it"
        )
    return table


def _read_parquet(place: Place, name: str) -> pa.Table:
    try:
        return pq.read_table(place.open(name))
    except FileNotFoundError:
        raise ResultsError(f"{place}/{name} is missing; run the study with `resume`") from None
    except (OSError, pa.ArrowException) as error:
        raise ResultsError(
            f"{place}/{name} cannot be read ({_line(error)}); `resume` writes it anew"
        ) from None


def _line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__

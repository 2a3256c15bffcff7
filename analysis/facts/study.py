"""All that a page says of one study: worked out once, from its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.facts.cost import Cost, Leg, cost, timeline
from analysis.facts.fidelity import Course, Measure, course, measures
from analysis.facts.importance import importances
from analysis.facts.trust import Finding, findings
from analysis.facts.winner import Winner, fold_values, samples, winner
from analysis.loading import Tables, metrics_of, the_study
from analysis.shares import Importance
from analysis.spans import Row
from analysis.summaries import epochs_saved, ranked, rungs
from tuner.shown import redacted
from tuner.store.fronts import front_of
from tuner.store.layout import PARAM_PREFIX, PHASES
from tuner.store.schedules import lineage_of

FOLDS_SHOWN = 30
"""Configurations of a cross-validation whose folds are drawn: the best."""
ERROR_LETTERS = 6000
"""Of a trial's error, the last letters."""


@dataclass(frozen=True)
class Facts:
    """One study. Lists that go by trial are in the order of the trials table.

    `importance` is by a measure's key, then "all" (what explains all results) and "best" (what
    tells the best quarter). `folds` are values [configuration, fold] of the rows `fold_rows`.
    """

    about: Mapping[str, Any]
    axes: Sequence[Mapping[str, Any]]
    trials: Mapping[str, Sequence[Any]]
    params: Mapping[str, Sequence[Any]]
    metrics: Sequence[str]
    curves: Sequence[Sequence[Mapping[str, Any]]]
    course: Course
    measures: Sequence[Measure]
    winner: Winner | None
    findings: Sequence[Finding]
    importance: Mapping[str, Mapping[str, Importance | None]]
    cost: Cost
    legs: Sequence[Leg]
    workers: Sequence[Row]
    fold_rows: Sequence[int]
    folds: np.ndarray
    goals: Sequence[Mapping[str, Any]] = ()

    @property
    def running(self) -> bool:
        """Whether trials are in flight."""
        return "RUNNING" in self.trials["state"]

    def as_json(self) -> dict[str, Any]:
        """Plain lists and numbers for the page's script; null for what is not finite."""
        won = self.winner
        return {
            "about": self.about,
            "goals": self.goals,
            "axes": self.axes,
            "trials": self.trials,
            "params": self.params,
            "metrics": self.metrics,
            "curves": self.curves,
            "measures": [{**vars(one), "values": short(one.values, 5)} for one in self.measures],
            "best": None if won is None else won.best,
            "ties": [] if won is None else list(won.ties),
            "order": [] if won is None else list(won.order),
            "findings": [asdict(one) for one in self.findings],
            "importance": {
                key: {side: None if one is None else asdict(one) for side, one in both.items()}
                for key, both in self.importance.items()
            },
            "legs": [_leg(one) for one in self.legs],
            "workers": [[one.name, one.worker] for one in self.workers],
            "fold_rows": list(self.fold_rows),
            "folds": [short(row, 6) for row in self.folds],
        }


def facts(tables: Tables, known: Mapping[str, Any] | None = None) -> Facts:
    """Work out one study's facts. `known` is an importance that still holds: none is made anew.

    Raises ResultsError where `tables` hold several studies.
    """
    study = the_study(tables.studies)
    trials = tables.trials.sort_values("trial", ignore_index=True)
    tables = tables._replace(trials=trials)
    of = course(tables)
    found = measures(tables, of)
    won = winner(tables, of)
    legs, workers = timeline(tables)
    rows = [] if study["mode"] != "cv" or won is None else list(won.order[:FOLDS_SHOWN])
    metrics = _metrics(tables)
    return Facts(
        about=_about(tables),
        axes=_axes(tables),
        trials=_trials(tables),
        params=_params(tables),
        metrics=metrics,
        curves=_curves(tables, metrics),
        course=of,
        measures=found,
        winner=won,
        findings=findings(tables, of, won),
        importance=known if known is not None else importances(tables, found),
        cost=cost(tables, legs),
        legs=legs,
        workers=workers,
        fold_rows=rows,
        folds=fold_values(tables, rows) if rows else np.zeros((0, 0)),
        goals=_goals(tables),
    )


def _leg(leg: Leg) -> list[float]:
    """Row, slot, begin, seconds, waited, setup, trace, after, fold and part; zeros at the end
    are left out."""
    seconds = (leg.begin, leg.seconds, leg.waited, leg.setup, leg.trace, leg.after)
    told = [leg.row, leg.slot, *(round(x, 3) for x in seconds), leg.fold, leg.part]
    while len(told) > 4 and not told[-1]:
        told.pop()
    return told


def short(values: Sequence[float] | np.ndarray, digits: int) -> list[float | None]:
    """Floats with few digits, None for what is not finite."""
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in map(float, values)]


def _about(tables: Tables) -> dict[str, Any]:
    study = the_study(tables.studies)
    plain = [
        "mode", "metric", "direction", "value_rule", "sampler", "scheduler", "engine",
        "description", "seed", "path", "validation",
    ]  # fmt: skip
    data = json.loads(study["data"])
    return {
        **{name: study[name] for name in plain},
        "name": study["study"],
        "folds": int(study["folds"]),
        "repeats": int(study["repeats"]),
        "cells": int(study["cells"]),
        "dataset": data.get("name"),
        "samples": samples(study),
        "command": redacted(study["command"]),
        "created_at": str(study["created_at"]),
        "versions": json.loads(study["versions"]),
        "rungs": rungs(tables),
        "goals": json.loads(study["goals"]),
        "front": _front(tables),
    }


def _front(tables: Tables) -> list[int]:
    """The trials of the front where there are several goals, the best of the first goal first."""
    goals = json.loads(the_study(tables.studies)["goals"])
    counted = tables.trials[ranked(tables)]
    return front_of(counted, goals)["trial"].tolist() if len(goals) > 1 and len(counted) else []


def _goals(tables: Tables) -> list[dict[str, Any]]:
    """Where there are several goals, each with the trials' values; nothing where there is one."""
    goals = json.loads(the_study(tables.studies)["goals"])
    return [
        {"metric": metric, "direction": way, "values": short(tables.trials[f"value_{place}"], 6)}
        for place, (metric, way) in enumerate(goals.items())
        if len(goals) > 1
    ]


def _axes(tables: Tables) -> list[dict[str, Any]]:
    study, trials = the_study(tables.studies), tables.trials
    made = []
    for name, axis in json.loads(study["space"]).items():
        column = PARAM_PREFIX + name
        levels = int(trials[column].nunique()) if column in trials else 0
        made.append({"name": name, "levels": levels, **axis})
    return made


def _params(tables: Tables) -> dict[str, list[Any]]:
    trials = tables.trials
    return {
        name.removeprefix(PARAM_PREFIX): [_plain(value) for value in trials[name]]
        for name in trials
        if name.startswith(PARAM_PREFIX)
    }


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _trials(tables: Tables) -> dict[str, list[Any]]:
    trials = tables.trials
    reports = tables.reports
    counted = reports.groupby("trial").size().reindex(trials["trial"]).fillna(0).to_numpy()
    running = (trials["state"] == "RUNNING").to_numpy()
    epochs = np.where(running, counted, trials["epochs"].fillna(0))
    return {
        "trial": trials["trial"].tolist(),
        "state": trials["state"].tolist(),
        "value": short(trials["value"], 6),
        "deviation": short(trials["value_std"], 4),
        "epochs": [int(n) for n in epochs],
        "best_epoch": [_plain(n) for n in trials["best_epoch"]],
        "saved": epochs_saved(tables).tolist(),
        "seconds": short(trials["duration_s"].fillna(0.0), 4),
        **{n: short(trials[n], 3) for n in PHASES if trials[n].notna().any()},
        "host": [_plain(x) for x in trials["host"]],
        "worker": [_plain(x) for x in trials["worker"]],
        "seed": [_plain(x) for x in trials["seed"]],
        "memory_mb": short(trials["peak_rss_mb"], 4),
        "shared_with": [_plain(x) for x in trials["shared_with"]],
        "error": [None if pd.isna(x) else str(x)[-ERROR_LETTERS:] for x in trials["error"]],
        "why": _reasons(tables),
        **_lineages(trials),
    }


def _lineages(trials: pd.DataFrame) -> dict[str, list[str]]:
    """Where each member of a population comes from; nothing of any other study."""
    said = [lineage_of(trials, int(trial)) for trial in trials["trial"]]
    return {"lineage": said} if any(said) else {}


def _reasons(tables: Tables) -> list[str]:
    """Why each trial was stopped: what the scheduler said last."""
    reports, trials = tables.reports, tables.trials
    said = reports[reports["decision"].isin(["STOP", "PAUSE"]) & reports["why"].notna()]
    last = said.sort_values("order").groupby("trial")["why"].last()
    last = last.reindex(trials["trial"]).fillna("").to_numpy()
    return [
        str(why) if state == "STOPPED" else ""
        for why, state in zip(last, trials["state"], strict=True)
    ]


def _metrics(tables: Tables) -> list[str]:
    """The metrics that were reported, the searched one first, then those on validation data."""
    metric = the_study(tables.studies)["metric"]
    names = [n for n in metrics_of(tables.reports) if tables.reports[n].notna().any()]
    if "learning_rate" in tables.reports and tables.reports["learning_rate"].nunique() > 1:
        names.append("learning_rate")
    return sorted(names, key=lambda n: (n != metric, not n.startswith("val_"), n))


def _curves(tables: Tables, metrics: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Of each trial a curve a fold: its epochs (the number of them, where they are 1 to n)."""
    row_of = {trial: row for row, trial in enumerate(tables.trials["trial"])}
    curves: list[list[dict[str, Any]]] = [[] for _ in row_of]
    reports = tables.reports.sort_values(["trial", "fold", "epoch"])
    trial, fold, epoch = (reports[n].to_numpy(int) for n in ("trial", "fold", "epoch"))
    columns = [short(reports[name], 4) for name in metrics]
    ends = [*(np.flatnonzero(np.diff(trial) | np.diff(fold)) + 1).tolist(), len(trial)]
    begin = 0
    for end in ends:
        row = row_of.get(int(trial[begin])) if end > begin else None
        if row is not None:
            epochs = epoch[begin:end].tolist()
            counted = epochs == list(range(1, len(epochs) + 1))
            values = [column[begin:end] for column in columns]
            at = len(epochs) if counted else epochs
            curves[row].append({"fold": int(fold[begin]), "epochs": at, "values": values})
        begin = end
    return curves

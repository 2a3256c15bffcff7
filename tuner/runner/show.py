"""What `tuner show` prints of a study's folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuner.options import check_whole
from tuner.shown import shown
from tuner.store.damage import reading
from tuner.store.layout import PARAM_PREFIX, PHASES
from tuner.store.schedules import lineage_of
from tuner.store.study_tables import StudyTables, read_study

TRAINED = ("trained_by", "trained_why")
FRONT_SHOWN = 20
"""Trials of a front that are named."""
BLOCKS = "▁▂▃▄▅▆▇█"


def show_study(path: str | Path, top: int, console: Console) -> None:
    """Print the leaderboard (its `top` rows), the states, the time spent and the epochs saved."""
    check_whole("top", top, 1)
    with reading(path):
        _show_study(read_study(path), top, console)


def _show_study(results: StudyTables, top: int, console: Console) -> None:
    experiment = results.study.experiment
    _print(
        console,
        f"{results.study.name}: {experiment.mode} by {experiment.sampler} + "
        f"{experiment.scheduler}, "
        + " and ".join(f"{way} {metric}" for metric, way in experiment.directions.items()),
    )
    if results.trials.empty:
        console.print("no trial yet")
        return
    console.print(_leaderboard(results, top))
    if results.choice is not None and results.choice.why:
        _print(console, f"best: {results.choice.why}")
    if len(experiment.directions) > 1:
        front = results.pareto_front()["trial"]
        _print(console, f"front: {len(front)} trials, {', '.join(map(str, front[:FRONT_SHOWN]))}")
    if "feasible" in results.trials and (lost := int(results.trials["feasible"].eq(False).sum())):
        _print(console, f"{lost} trials do not keep the constraints")
    states = results.trials["state"].value_counts()
    _print(console, ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
    seconds = results.trials["duration_s"].sum()
    shared = results.trials["shared_with"].notna()
    epochs = int(results.trials.loc[~shared, "epochs"].sum())
    _print(console, f"{epochs} epochs trained in {seconds:.1f} s of work")
    if shared.any():
        spared = int(results.trials.loc[shared, "epochs"].sum())
        _print(console, f"sharing one training between points saved {spared} epochs")
    saved = saved_epochs(results)
    if saved:
        _print(
            console, f"ending trials early saved {saved} epochs ({saved / (saved + epochs):.0%})"
        )


def show_trial(path: str | Path, trial: int, console: Console) -> None:
    """Print one trial: its state, parameters, curve and error."""
    with reading(path):
        _show_trial(read_study(path), trial, console)


def _show_trial(results: StudyTables, trial: int, console: Console) -> None:
    params = results.params(trial)
    row = results.trials[results.trials["trial"] == trial].iloc[0]
    metric = results.study.experiment.metric
    _print(console, f"trial {trial} of {results.study.name}: {row['state']}")
    value = _number(row["value"]) or "unknown"
    _print(console, f"  {metric} {value}, attempt {row['attempt']}, seed {row['seed']}")
    places = row["host"], f"process {row['worker']}" if row.get("worker") else ""
    where = ", ".join(place for place in places if isinstance(place, str) and place)
    on = f" on {where}" if where else ""  # a loop of the caller's has no place
    _print(console, f"  {row['epochs']} epochs in {row['duration_s']:.1f} s{on}")
    if spent := phases(row):
        _print(console, f"  {spent}")
    if pd.notna(row.get("parent")):
        began = f"trial {row['parent']:.0f}'s weights of epoch {row['from_epoch']}"
        _print(console, f"  it went on from {began}")
    if lineage := lineage_of(results.trials, trial):
        _print(console, f"  lineage: {lineage}")
    if row.get("why"):
        _print(console, f"  {row['why']}")
    if reason := trained(row):
        _print(console, f"  {reason}")
    for name, value in params.items():
        _print(console, f"  {name} = {value}")
    reports = results.reports[results.reports["trial"] == trial]
    if reason := last_reason(reports):
        _print(console, f"  {reason}")
    if metric in reports:
        for fold, rows in reports.groupby("fold"):
            values = rows.sort_values("epoch")[metric].dropna()
            if len(values):
                ends = f"{values.iloc[0]:.4g} to {values.iloc[-1]:.4g}"
                _print(console, f"  {metric}, fold {fold}: {sparkline(list(values))} {ends}")
    if row["error"] is not None and not pd.isna(row["error"]):
        _print(console, f"\n{row['error']}")


def phases(row: pd.Series[Any]) -> str | None:
    """What a trial's seconds went into, in a line; None where no more than their sum is known."""
    known = [
        f"{word} {row[name]:.1f} s" for name, word in PHASES.items() if pd.notna(row.get(name))
    ]
    return ", ".join(known) if len(known) > 1 else None


def trained(row: pd.Series[Any]) -> str | None:
    """Who trained a trial, and why it was Keras' own fit, in a line; None where nobody says."""
    by, why = (row[name] if isinstance(row.get(name), str) else "" for name in TRAINED)
    if not by:
        return None
    return f"trained by {by}: {why}" if why else f"trained by {by}"


def last_reason(reports: pd.DataFrame) -> str | None:
    """The last decision of which the reports keep a reason, in a line; None where none does."""
    if "why" not in reports or not reports["why"].fillna("").any():
        return None
    last = reports[reports["why"].fillna("") != ""].sort_values("order").iloc[-1]
    fold = f", fold {last['fold']}" if reports["fold"].nunique() > 1 else ""
    return f"{last['decision']} at epoch {last['epoch']}{fold}: {last['why']}"


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """A curve as a line of blocks, low to high, at most `width` of them."""
    step = max(1, -(-len(values) // width))
    shown = [value for value in values[::step] if math.isfinite(value)]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in shown)


def show_csv(path: str | Path) -> str:
    """The trials table as CSV."""
    with reading(path):
        return shown(read_study(path).trials.to_csv(index=False), keep="\r\n\t")


def _print(console: Console, text: str) -> None:
    console.print(Text(shown(text)), highlight=False, soft_wrap=True)


def saved_epochs(results: StudyTables) -> int:
    """Epochs that STOPPED and DIVERGED trials did not train, of those their budget allowed."""
    trials, experiment = results.trials, results.study.experiment
    own = trials["state"].isin(["STOPPED", "DIVERGED"]) & trials["shared_with"].isna()
    if "why" in trials:  # another trial trains the epochs of one that was replaced
        own &= trials["why"].eq("")
    ended = trials[own]
    limit = ended.get(PARAM_PREFIX + "epochs", pd.Series(experiment.epochs, ended.index))
    return int((limit.astype("float64") * experiment.cells - ended["epochs"]).sum())


def _leaderboard(results: StudyTables, top: int) -> Table:
    shown = results.ranked().head(top)
    params = [name for name in shown.columns if name.startswith(PARAM_PREFIX)]
    table = Table(box=None, pad_edge=False)
    goals = [name for name in shown.columns if name.startswith("value_") and name[6:].isdigit()]
    also = [*goals[1:], *(["feasible"] if "feasible" in shown else [])]
    for name in ("trial", "state", "value", *also, "epochs", "seconds"):
        table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    for name in params:
        table.add_column(_cell(name.removeprefix(PARAM_PREFIX)), justify="right", overflow="fold")
    for _, row in shown.iterrows():
        table.add_row(
            str(row["trial"]),
            _cell(row["state"]),
            _number(row["value"]),
            *(_cell(_number(row[name])) for name in also),
            str(row["epochs"]),
            f"{row['duration_s']:.1f}",
            *(_cell(_number(row[name])) for name in params),
        )
    return table


def _cell(text: str) -> Text:
    """A cell whose text means nothing to Rich nor to the terminal."""
    return Text(shown(text, keep=""))


def _number(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""What `tuner show` prints of a study's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from tuner.results import Results, load
from tuner.schema import PARAM_PREFIX


def show_study(path: Path, top: int, console: Console) -> None:
    """Print the leaderboard, the states, the time spent and the epochs saved."""
    results = load(path)
    experiment = results.study["experiment"]
    console.print(
        f"{results.study['name']}: {experiment['plan']} by {experiment['sampler']} + "
        f"{experiment['scheduler']}, {experiment['mode']} {experiment['metric']}",
        highlight=False,
        markup=False,
    )
    if results.trials.empty:
        console.print("no trial yet")
        return
    console.print(_leaderboard(results, top))
    states = results.trials["state"].value_counts()
    console.print(
        ", ".join(f"{count} {state}" for state, count in sorted(states.items())), highlight=False
    )
    seconds = results.trials["duration_s"].sum()
    epochs = int(results.trials["epochs"].sum())
    console.print(f"{epochs} epochs trained in {seconds:.1f} s of work", highlight=False)
    saved = saved_epochs(results)
    if saved:
        share = saved / (saved + epochs)
        console.print(f"ending trials early saved {saved} epochs ({share:.0%})", highlight=False)


def saved_epochs(results: Results) -> int:
    """Epochs that STOPPED and DIVERGED trials did not train, of those their budget allowed."""
    trials, experiment = results.trials, results.study["experiment"]
    if PARAM_PREFIX + "epochs" not in trials:
        return 0
    cells = experiment["folds"] * experiment["repeats"] if experiment["plan"] == "cv" else 1
    ended = trials[trials["state"].isin(["STOPPED", "DIVERGED"])]
    return int((ended[PARAM_PREFIX + "epochs"] * cells - ended["epochs"]).sum())


def _leaderboard(results: Results, top: int) -> Table:
    rising = results.study["experiment"]["mode"] == "min"
    best_first = results.trials.sort_values(
        ["value", "trial"], ascending=[rising, True], na_position="last"
    )
    # COMPLETE trials rank; a stopped one's value is that of fewer epochs.
    rank = best_first["state"].map(lambda state: state != "COMPLETE")
    shown = best_first.loc[rank.sort_values(kind="stable").index].head(top)
    params = [name for name in shown.columns if name.startswith(PARAM_PREFIX)]
    table = Table(box=None, pad_edge=False)
    for name in ("trial", "state", "value", "epochs", "seconds"):
        table.add_column(name, justify="left" if name == "state" else "right")
    for name in params:
        table.add_column(name.removeprefix(PARAM_PREFIX), justify="right")
    for _, row in shown.iterrows():
        table.add_row(
            str(row["trial"]),
            row["state"],
            _number(row["value"]),
            str(row["epochs"]),
            f"{row['duration_s']:.1f}",
            *(_number(row[name]) for name in params),
        )
    return table


def _number(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

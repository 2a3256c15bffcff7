"""The list of a folder's studies: how each stands, its best, and the best so far as a line."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.facts.words import number
from analysis.loading import Tables, load, the_study
from analysis.page.render import rendered
from analysis.progress import best_so_far
from analysis.summaries import overview
from tuner.errors import ResultsError
from tuner.store.layout import REPORT_LOG_FILE, TRIALS_FILE

QUIET_S = 120.0
"""Seconds without a report after which a study with trials in flight is called unfinished."""
WIDTH, HEIGHT = 120, 28
"""Pixels of the line of the best so far."""


@dataclass(frozen=True)
class Row:
    """One study of the list, as texts; `line` is an SVG path."""

    name: str
    state: str
    metric: str
    best: str
    trials: str
    epochs: str
    line: str


def row(folder: Path) -> Row:
    """How a study stands; one that can't be read says so."""
    try:
        tables = load(folder)
    except ResultsError as error:
        return Row(folder.name, f"cannot be read: {error}", "", "", "", "", "")
    study, total = the_study(tables.studies), overview(tables).iloc[0]
    ended = int(total["trials"] - total["RUNNING"])
    best = ""
    if not pd.isna(total["best_trial"]):
        best = f"{number(float(total['best']))} (trial {total['best_trial']})"
    failed = int(total["FAILED"] + total["DIVERGED"])
    return Row(
        name=folder.name,
        state=_state(folder, int(total["RUNNING"])),
        metric=study["metric"],
        best=best,
        trials=f"{ended} ended" + (f", {failed} failed or diverged" if failed else ""),
        epochs=f"{total['epochs']:,} trained, {total['epochs_saved']:,} saved",
        line=_line(tables),
    )


def listing(name: str, rows: list[Row]) -> str:
    """The HTML of the list."""
    return rendered("list.html.j2", name=name, rows=rows, width=WIDTH, height=HEIGHT)


def one_row(of: Row) -> str:
    """The HTML of one row's cells."""
    return rendered("list_row.html.j2", row=of, width=WIDTH, height=HEIGHT)


def _state(folder: Path, running: int) -> str:
    if not running:
        return "ended"
    written = [
        (folder / name).stat().st_mtime
        for name in (REPORT_LOG_FILE, TRIALS_FILE)
        if (folder / name).exists()
    ]
    return "running" if time.time() - max(written, default=0.0) < QUIET_S else "unfinished"


def _line(tables: Tables) -> str:
    values = best_so_far(tables)["best"].dropna().to_numpy(float)
    if len(values) < 2:
        return ""
    low, high = values.min(), values.max()
    x = np.linspace(2, WIDTH - 2, len(values))
    y = HEIGHT - 3 - (values - low) / ((high - low) or 1.0) * (HEIGHT - 6)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))

"""A CSV table: a row a trial, or with columns `trial` and `epoch` a row a report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tuner.elsewhere.found import Found, Results, read_value
from tuner.errors import ResultsError
from tuner.trial.cells import State

PREFIXES = ("param_", "params_", "config/")
"""What others, and we, put before a parameter's name."""
NEVER = ("trial", "epoch", "state", "value")
"""Columns that are no parameters, where nothing is put before their names."""
STATES = {
    **dict.fromkeys(("PRUNED", "STOPPED", "KILLED"), State.STOPPED),
    **dict.fromkeys(("FAIL", "FAILED", "ERROR"), State.FAILED),
    "DIVERGED": State.DIVERGED,
}
"""What others, and we, call the end of a trial in a column `state`; any other is COMPLETE."""
UNENDED = ("RUNNING", "WAITING", "PENDING", "PAUSED", "SCHEDULED")


def read(source: str, metric: str, study: str | None) -> Results:
    """The trials of a table.

    Its parameters are the columns with one of PREFIXES, or all but `metric` and NEVER; `state` says
    how a trial ended, and trials that have not do not count. Raises ResultsError for a file that
    cannot be read.
    """
    import pandas as pd

    try:
        table = pd.read_csv(Path(source), dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ResultsError(f"{source} cannot be read: {str(error).splitlines()[0]}") from None
    columns = list(map(str, table.columns))
    names = {c: c.removeprefix(p) for p in PREFIXES for c in columns if c.startswith(p)}
    if not names:
        names = {c: c for c in columns if c not in (*NEVER, metric) and not c.startswith("Unnamed")}
    by_report = {"trial", "epoch"} <= {*columns}
    trials: dict[Any, tuple[dict[str, Any], dict[int, dict[str, float]], str]] = {}
    for at, row in enumerate(table.to_dict("records")):
        params = {name: read_value(row[c]) for c, name in names.items() if row[c] != ""}
        key, epoch = (row["trial"], _epoch(source, row["epoch"])) if by_report else (at, 1)
        state = row.get("state", "").upper()
        if state in UNENDED:
            continue
        _, reports, _ = trials.setdefault(key, (params, {}, state))
        value = read_value(row.get(metric, ""))
        if isinstance(value, int | float):
            reports[epoch] = {metric: float(value)}
        elif str(value).lower() in ("nan", "inf", "-inf"):
            reports[epoch] = {metric: math.nan}
    return Results("CSV", [_found(*one, metric) for one in trials.values()])


def _epoch(source: str, text: str) -> int:
    epoch = read_value(text)
    if not isinstance(epoch, int) or epoch < 1:
        raise ResultsError(f"{source}: epoch {text!r} is not a whole number from 1")
    return epoch


def _found(
    params: dict[str, Any], reports: dict[int, dict[str, float]], said: str, metric: str
) -> Found:
    state = STATES.get(said, State.COMPLETE)
    if state is State.FAILED:
        return Found(params, reports, state, error="it failed, says the table")
    lost = any(math.isnan(metrics[metric]) for metrics in reports.values())
    return Found(params, reports, State.DIVERGED if lost else state)

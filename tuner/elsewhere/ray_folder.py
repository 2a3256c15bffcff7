"""A folder of a Ray Tune experiment: a folder a trial, with result.json or progress.csv."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.elsewhere.found import Found, Results, read_value
from tuner.errors import ResultsError
from tuner.trial.cells import State

RESULT, PROGRESS, PARAMS = "result.json", "progress.csv", "params.json"
ERRORS = ("error.txt", "error.pkl")
EPOCH = "training_iteration"


def read(source: str, metric: str, study: str | None) -> Results:
    """The trials of an experiment; what they pickled is left alone.

    `training_iteration` is the epoch. One that ended early is told from its error alone, since
    whether a scheduler ended it stands in a pickle. Raises ResultsError for another folder.
    """
    folder = Path(source)
    files = [*folder.glob(f"*/{RESULT}"), *folder.glob(f"*/{PROGRESS}")]
    places = sorted({file.parent for file in files})
    if not places:
        raise ResultsError(f"{source} has no folder with a {RESULT} or {PROGRESS}")
    return Results("Ray Tune", [_found(place, metric) for place in places])


def _found(place: Path, metric: str) -> Found:
    rows = list(_rows(place))
    params = dict(_flat(_json(place / PARAMS) if (place / PARAMS).is_file() else _config(rows)))
    reports: dict[int, dict[str, float]] = {}
    for row in rows:
        numbers = {n: float(v) for n, v in _flat(row) if _is_number(v) and not _is_own(n)}
        reports.setdefault(int(row.get(EPOCH) or 1), {}).update(numbers)
    state, error = State.COMPLETE, None
    if any(not math.isfinite(metrics.get(metric, 0.0)) for metrics in reports.values()):
        state = State.DIVERGED
    if any((place / name).is_file() for name in ERRORS):
        state, text = State.FAILED, place / ERRORS[0]
        error = text.read_text(errors="replace") if text.is_file() else "it failed in Ray Tune"
    times = [float(row["timestamp"]) for row in rows if _is_number(row.get("timestamp"))]
    took = [float(row["time_total_s"]) for row in rows if _is_number(row.get("time_total_s"))]
    seconds = max(took, default=None)
    begun = min(times) - min(took) if times and took else None
    return Found(params, reports, state, begun, seconds, error)


_OWN = {
    "timestamp", "time_this_iter_s", "time_total_s", "time_since_restore", "pid", "done",
    "iterations_since_restore", EPOCH,
}  # fmt: skip
"""The numbers that Ray adds to every result, beside the `config`."""


def _is_own(name: str) -> bool:
    return name in _OWN or name.startswith("config/")


def _rows(place: Path) -> Iterator[Mapping[str, Any]]:
    """The results that a trial reported."""
    if (place / RESULT).is_file():
        lines = (place / RESULT).read_text().splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                if not line.endswith("\n"):  # its run was killed as it wrote
                    return
                raise ResultsError(f"{place / RESULT}, line {number}: {error}") from None
            if isinstance(row, dict):
                yield row
        return
    with (place / PROGRESS).open(newline="") as file:
        for texts in csv.DictReader(file):
            yield {name: _number(text) for name, text in texts.items()}


def _number(text: str) -> Any:
    value = read_value(text)
    lost = isinstance(value, str) and value.lower() in ("nan", "inf", "-inf")
    return math.nan if lost else value


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ResultsError(f"{file} cannot be read: {error}") from None
    return content if isinstance(content, dict) else {}


def _config(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """A trial's parameters as its results have them."""
    if rows and isinstance(rows[0].get("config"), dict):
        return dict(rows[0]["config"])
    first = rows[0] if rows else {}
    return {n.removeprefix("config/"): v for n, v in first.items() if n.startswith("config/")}


def _flat(content: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Values within values, by names with a slash between."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}/")
        else:
            yield before + name, value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

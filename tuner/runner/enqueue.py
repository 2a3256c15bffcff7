"""`--enqueue FILE|STUDY_DIR`: known-good points, tried before the sampler's.

A file holds points as a JSON list of objects, a CSV or a Parquet table with one column a parameter
(`param_<name>` works too: another study's trials.parquet). A study's folder gives its best point.
A point may leave parameters out; the sampler fills them in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import PARAM_PREFIX


def read_points(path: Path, space: SearchSpace) -> list[dict[str, Any]]:
    """The points in `path`, checked. Raises SearchSpaceError naming file, point and value."""
    if path.is_dir():
        from tuner.results.results import load

        best = load(path).best_params
        if not best:
            raise SearchSpaceError(f"{path}: the study has no COMPLETE trial", field="enqueue")
        rows: list[Mapping[str, Any]] = [{n: v for n, v in best.items() if n in space}]
    else:
        rows = _rows(path)
    return [_checked(f"{path}: point {i}", row, space) for i, row in enumerate(rows)]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    import pandas as pd

    try:
        if path.suffix == ".json":
            rows = json.loads(path.read_text())
        elif path.suffix == ".csv":
            rows = pd.read_csv(path, keep_default_na=False, na_values=[""]).to_dict("records")
        elif path.suffix == ".parquet":
            rows = pd.read_parquet(path).to_dict("records")
        else:
            raise SearchSpaceError(
                f"{path} is not a .json, .csv or .parquet, nor a study", field="enqueue"
            )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise SearchSpaceError(f"{path} cannot be read: {reason}", field="enqueue") from None
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise SearchSpaceError(
            f"{path} does not hold a list of points {{name: value}}", field="enqueue"
        )
    return rows


def _checked(where: str, row: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    if any(str(name).startswith(PARAM_PREFIX) for name in row):
        row = {
            name.removeprefix(PARAM_PREFIX): value
            for name, value in row.items()
            if name.startswith(PARAM_PREFIX)
        }
    point = {}
    for name, value in row.items():
        if name not in space:
            raise SearchSpaceError(
                f"{where} names {name!r}, which is no axis; the axes are: {', '.join(space)}",
                field="enqueue",
            )
        axis = space[name]
        # A constant is what it is: under a scheduler that is what `epochs` becomes.
        if isinstance(axis, Constant) or _is_missing(value):
            continue
        point[name] = _as_axis_value(axis, value)
        if not axis.holds(point[name]):
            raise SearchSpaceError(
                f"{where} has {name} = {value!r}, which the axis does not hold", field="enqueue"
            )
    return point


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _as_axis_value(axis: Axis, value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(axis, Float) and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if isinstance(axis, Int) and isinstance(plain, float) and plain.is_integer():
        return int(plain)
    if isinstance(axis, Categorical) and plain not in axis.choices:
        return next((choice for choice in axis.choices if str(choice) == str(plain)), plain)
    return plain

"""The points that a search tries before its sampler's own: first ones, defaults, `--enqueue`.

A file holds points as a JSON list of objects, a CSV or a Parquet table with one column a parameter
(`param_<name>` works too: another study's trials.parquet). A study's folder gives its best point.
In Python they may be dicts, or a pandas DataFrame. A point may leave parameters out; the sampler
fills them in. `None` is a choice where the axis has it, else the parameter is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuner.errors import SearchSpaceError
from tuner.experiment.experiment import Experiment
from tuner.samplers.registry import GRID
from tuner.search_space.axes import nearest
from tuner.search_space.points import checked_point
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import Value
from tuner.store.layout import PARAM_PREFIX

Given = str | Path | Sequence[Mapping[str, Any]] | Any
"""A file, a study's folder, points as dicts, or a DataFrame."""


def first_points(
    experiment: Experiment, given: Given, say: Callable[[str], None] = lambda line: None
) -> list[dict[str, Value]]:
    """What the first trials of a settled experiment try, choices by their labels.

    The experiment's own come before the axes' defaults, and these before the points `given` (None:
    no more). `say` is told what was left out of a table. Raises SearchSpaceError naming file, point
    and value, and for more points than there are trials.
    """
    space = SearchSpace(experiment.space)
    points = [] if given is None else read_points(given, space, say)
    if experiment.sampler == GRID:
        if points:
            raise SearchSpaceError(
                f"it gives {len(points)} points and a grid has its own",
                field="enqueue",
                way_out="drop it, or search",
            )
        return []
    points = [*map(dict, experiment.first), *points]
    defaults = space.defaults()
    if defaults and defaults not in points:
        points.insert(len(experiment.first), defaults)
    if len(points) > experiment.trials:
        raise SearchSpaceError(
            f"{len(points)} points are to be tried first and there are {experiment.trials} trials",
            field="trials",
            way_out=f"ask for {len(points)} or more",
        )
    return [space.encode(point) for point in points]


def read_points(
    given: Given, space: SearchSpace, say: Callable[[str], None] = lambda line: None
) -> list[dict[str, Any]]:
    """The points given, checked. Raises SearchSpaceError naming file, point and value."""
    if isinstance(given, str | Path):
        where, rows, table = f"{given}: point", *_read(Path(given), space, say)
        if not rows:
            raise SearchSpaceError(f"{given} holds no point", field="enqueue", way_out="drop it")
    else:
        where, rows, table = "point", *_given(given)
    if table:
        rows = _columns_of_axes(where.rpartition(":")[0] or "the table", rows, space, say)
    return [_checked(f"{where} {i}", row, space, table) for i, row in enumerate(rows)]


def _given(given: Any) -> tuple[list[Mapping[str, Any]], bool]:
    """Points made in Python, and whether they are a table."""
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        return list(given.to_dict("records")), True
    rows = [given] if isinstance(given, Mapping) else given
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise SearchSpaceError(
            f"{given!r:.200} is not a list of points {{name: value}}",
            field="enqueue",
            way_out="give one, a DataFrame, or the path of a file or study",
        )
    return list(rows), False


def _read(
    path: Path, space: SearchSpace, say: Callable[[str], None]
) -> tuple[list[Mapping[str, Any]], bool]:
    """The rows of a file, and whether it is a table."""
    import pandas as pd

    if path.is_dir():
        return [_best_of(path, space, say)], False
    try:
        if path.suffix.lower() == ".json":
            rows = json.loads(path.read_text())
        elif path.suffix.lower() == ".csv":
            # As texts: each axis knows what its own values look like.
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
            return list(frame.to_dict("records")), True
        elif path.suffix.lower() == ".parquet":
            return list(pd.read_parquet(path).to_dict("records")), True
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
    return rows, False


def _best_of(path: Path, space: SearchSpace, say: Callable[[str], None]) -> Mapping[str, Any]:
    from tuner.store.study_tables import read_study

    best = read_study(path).best_params
    if not best:
        raise SearchSpaceError(f"{path}: no trial of the study has a value", field="enqueue")
    shared = {name: value for name, value in best.items() if name in space}
    if not shared:
        raise SearchSpaceError(
            f"{path} searched {', '.join(best)}, and none of them is an axis; the axes are: "
            f"{', '.join(space)}",
            field="enqueue",
        )
    if left := [name for name in best if name not in space]:
        say(f"{path}: parameters that are not axes are left out: {', '.join(left)}")
    return shared


def _columns_of_axes(
    where: str, rows: Sequence[Mapping[str, Any]], space: SearchSpace, say: Callable[[str], None]
) -> list[Mapping[str, Any]]:
    """The rows without the columns that are not axes: a score, say, or pandas' index.

    Raises SearchSpaceError where no column is an axis, or one looks like a mistyped one.
    """
    columns = [str(name) for name in (rows[0] if rows else ())]
    prefixed = [name for name in columns if name.startswith(PARAM_PREFIX)]
    if prefixed:  # a table of trials: its other columns are not parameters
        names = {name: name.removeprefix(PARAM_PREFIX) for name in prefixed}
    else:
        names = {name: name for name in columns}
    unknown = [column for column, name in names.items() if name not in space]
    free = [name for name in space if name not in names.values()]
    for name in unknown:
        if meant := nearest(name, free):
            raise SearchSpaceError(
                f"{where} has a column {name!r}",
                field="enqueue",
                way_out=f"did you mean {meant!r}?",
            )
    if rows and len(unknown) == len(names):
        raise SearchSpaceError(
            f"{where} has no column that is an axis; the axes are: {', '.join(space)}",
            field="enqueue",
        )
    shown = [name for name in unknown if name and not name.startswith("Unnamed: ")]
    if shown:
        say(f"{where}: columns that are not axes are left out: {', '.join(shown)}")
    kept = {column: name for column, name in names.items() if name in space}
    return [
        {kept[str(column)]: value for column, value in row.items() if str(column) in kept}
        for row in rows
    ]


def _checked(where: str, row: Mapping[str, Any], space: SearchSpace, table: bool) -> dict[str, Any]:
    if any(str(name).startswith(PARAM_PREFIX) for name in row):
        row = {
            name.removeprefix(PARAM_PREFIX): value
            for name, value in row.items()
            if name.startswith(PARAM_PREFIX)
        }
    return checked_point(where, row, space, field="enqueue", table=table)

"""trials.parquet: one row a trial, written whole, derived from the records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tuner.search_space.axes import Axis, Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import EXACT_WHOLE
from tuner.store.layout import PARAM_PREFIX, POPULATION_COLUMNS, TRIAL_COLUMNS
from tuner.store.parquet import arrow_type, microseconds
from tuner.trial.cells import State

if TYPE_CHECKING:
    from tuner.study.record import Record


def trials_table(
    records: Iterable[Record],
    space: SearchSpace,
    engine: str,
    *,
    goals: int = 1,
    constrained: bool = False,
    population: bool = False,
) -> pa.Table:
    """The records as an Arrow table with the columns of `tuner.store.layout`.

    Several `goals` have a column each, `value_0`, `value_1`, ...; with them, and with constraints,
    there is `feasible`. The trials of a `population` have a parent.
    """
    rows = list(records)
    several = range(goals if goals > 1 else 0)
    schema = trials_schema(space, goals=goals, constrained=constrained, population=population)
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in TRIAL_COLUMNS
        if name not in ("seed", "engine", "started_at")
    }
    for name in ("value", "value_std", "best_epoch"):  # a trial in flight has none yet
        columns[name] = [None if row.state is State.RUNNING else getattr(row, name) for row in rows]
    for goal in several:
        columns[f"value_{goal}"] = [
            row.values[goal] if row.values and row.state is not State.RUNNING else None
            for row in rows
        ]
    columns["feasible"] = [
        None if v is None else r.feasible for v, r in zip(columns["value"], rows, strict=True)
    ]
    columns["parent"] = [None if row.parent is None else row.parent.trial for row in rows]
    columns["from_epoch"] = [row.born for row in rows]
    columns["why"] = [row.why for row in rows]
    columns["seed"] = [str(row.seed) for row in rows]
    columns["engine"] = [engine] * len(rows)
    columns["started_at"] = [microseconds(row.started_at) for row in rows]
    for name, axis in space.items():
        as_text = _param_type(axis) == pa.string()
        labels = [axis.encode(r.params[name]) if name in r.params else None for r in rows]
        columns[PARAM_PREFIX + name] = [
            str(label) if as_text and label is not None else label for label in labels
        ]
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def trials_schema(
    space: SearchSpace, *, goals: int = 1, constrained: bool = False, population: bool = False
) -> pa.Schema:
    """The columns of trials.parquet for a space, in order."""
    names = list(TRIAL_COLUMNS)
    split = names.index("value")
    common = {name: arrow_type(TRIAL_COLUMNS[name]) for name in names}
    fields = [(name, common[name]) for name in names[:split]]
    fields += [(PARAM_PREFIX + name, _param_type(axis)) for name, axis in space.items()]
    fields += [(name, common[name]) for name in names[split : split + 1]]
    if goals > 1:
        fields += [(f"value_{goal}", pa.float64()) for goal in range(goals)]
    if goals > 1 or constrained:
        fields.append(("feasible", pa.bool_()))
    fields += [(name, common[name]) for name in names[split + 1 :]]
    if population:
        fields += [(name, arrow_type(kind)) for name, kind in POPULATION_COLUMNS.items()]
    return pa.schema(fields)


def _param_type(axis: Axis) -> pa.DataType:
    if isinstance(axis, Float):
        return pa.float64()
    if isinstance(axis, Int):
        return pa.int64()
    labels = axis.labels if isinstance(axis, Categorical) else [axis.label]
    kinds = {type(label) for label in labels if label is not None}
    if any(isinstance(label, int) and abs(label) > EXACT_WHOLE for label in labels):
        return pa.string()
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.string()

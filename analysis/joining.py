"""Several studies' tables as one: columns that only some have, and types that differ."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa


def labelled(table: pa.Table, name: str) -> pa.Table:
    """The table with a first column that names its study."""
    if "study" in table.column_names:
        table = table.drop_columns(["study"])
    label = pa.array([name], pa.string()).take(pa.array([0] * table.num_rows, pa.int32()))
    return table.add_column(0, "study", label)


def joined(tables: list[pa.Table], fixed: list[str], before: str) -> pd.DataFrame:
    """One frame of all; columns beside the fixed ones stand together, before `before`."""
    kinds: dict[str, set[pa.DataType]] = {}
    for table in tables:
        for field in table.schema:
            kinds.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, types in kinds.items() if not _promote(types)}
    table = pa.concat_tables(
        [_as_text(table, mixed) for table in tables], promote_options="permissive"
    )
    first = ["study", *fixed[: fixed.index(before)]]
    last = fixed[fixed.index(before) :]
    between = [name for name in table.column_names if name not in {*first, *last}]
    return table.select([*first, *between, *last]).to_pandas()


def _promote(types: set[pa.DataType]) -> bool:
    """Whether Arrow unites columns of these types: equal ones, or numbers."""
    known = {kind for kind in types if not pa.types.is_null(kind)}
    return len(known) < 2 or all(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in known
    )


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for index, name in enumerate(table.column_names):
        if name in names:
            table = table.set_column(index, name, table[name].cast(pa.string()))
    return table

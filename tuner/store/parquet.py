"""Parquet tables: read, put in place whole, and the types of their columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tuner.errors import ResultsError
from tuner.files import replacing


def read_parquet(path: Path) -> pa.Table:
    """A Parquet file. Raises ResultsError for one that is broken."""
    try:
        return pq.read_table(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise ResultsError(
            f"{path} cannot be read ({reason}); `tuner repair STUDY_DIR` makes it anew"
        ) from None


def put_parquet(path: Path, table: pa.Table) -> None:
    """Write a whole Parquet file under a hidden name, then rename it into place."""
    with replacing(path) as file:
        pq.write_table(table, file)


def arrow_type(alias: str) -> pa.DataType:
    """The Arrow type that a column of `tuner.store.layout` names."""
    if alias == "timestamp[us, tz=UTC]":
        return pa.timestamp("us", tz="UTC")
    return pa.type_for_alias(alias)


def microseconds(seconds: float | None) -> int | None:
    """Seconds since the Unix epoch as Arrow's timestamps count them."""
    return None if seconds is None else round(seconds * 1e6)

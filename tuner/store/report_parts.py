"""The parts of the table of reports: Parquet files in one folder, read as one table.

All carry the same columns, since pandas takes those of the first part for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tuner.errors import ResultsError
from tuner.store.layout import REPORT_COLUMNS_FIRST, REPORT_COLUMNS_LAST
from tuner.store.parquet import arrow_type, microseconds, put_parquet, read_parquet
from tuner.store.report import UNKNOWN_RUNG, Report
from tuner.trial.cells import CellKey


class Parts:
    """The parts in a folder, by number; number 0 holds no rows, but all columns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        return self.folder / f"part-{number:05}.parquet"

    def numbers(self) -> list[int]:
        """The parts that there are, in order."""
        names = (path.stem.removeprefix("part-") for path in self.folder.glob("part-*.parquet"))
        return sorted(int(name) for name in names if name.isdecimal() and len(name) == 5)

    def read(self, number: int) -> pa.Table:
        return read_part(self.path(number))

    def columns(self, number: int) -> list[str]:
        """A part's columns. Raises ResultsError where it is damaged."""
        try:
            return list(pq.read_schema(self.path(number)).names)
        except (OSError, ValueError, pa.ArrowException):
            return list(read_parquet(self.path(number)).column_names)  # says what is wrong with it

    def reports(self, number: int) -> Iterator[Report]:
        """A part's reports, of attempt 0: parts do not keep it."""
        return reports_of(self.read(number))

    def write(self, number: int, rows: Sequence[Report], metrics: Sequence[str]) -> None:
        put_parquet(self.path(number), table_of(rows, metrics))

    def keep(self, number: int, wanted: Sequence[bool]) -> None:
        """Leave in a part the rows that are wanted."""
        if not all(wanted):
            put_parquet(self.path(number), self.read(number).filter(pa.array(wanted)))

    def keys(self, number: int, *names: str) -> list[tuple[int, ...]]:
        """These columns of a part, row by row."""
        table = self.read(number)
        return list(zip(*(table[name].to_pylist() for name in names), strict=True))

    def last_epochs(self, number: int) -> Iterator[tuple[CellKey, int]]:
        """The last epoch in a part of every cell in it."""
        table = self.read(number).group_by(["trial", "fold"]).aggregate([("epoch", "max")])
        for row in table.to_pylist():
            yield CellKey(row["trial"], row["fold"]), row["epoch_max"]

    def widen(self, metrics: Sequence[str]) -> None:
        """Give every part a column for each metric."""
        names = schema_of(metrics).names
        for number in self.numbers():
            table = self.read(number)
            for name in names:
                if name not in table.column_names:
                    kind = arrow_type(REPORT_COLUMNS_LAST.get(name, "float64"))
                    table = table.append_column(name, pa.nulls(len(table), kind))
            put_parquet(self.path(number), table.select(names))


def read_part(path: Path) -> pa.Table:
    """A part. Raises ResultsError where it is damaged, or lacks what tuner writes."""
    table = read_parquet(path)
    for name in (*REPORT_COLUMNS_FIRST, "decision", "order"):
        if name not in table.column_names or table[name].null_count:
            raise ResultsError(
                f"{path} lacks values of {name!r}; `tuner repair STUDY_DIR` mends it"
            )
    kinds = {**REPORT_COLUMNS_FIRST, **REPORT_COLUMNS_LAST}
    try:
        return table.cast(
            pa.schema([(n, arrow_type(kinds.get(n, "float64"))) for n in table.column_names])
        )
    except (pa.ArrowException, ValueError) as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise ResultsError(
            f"{path} is damaged ({reason}); `tuner repair STUDY_DIR` mends it"
        ) from None


def schema_of(metrics: Sequence[str]) -> pa.Schema:
    columns = {
        **REPORT_COLUMNS_FIRST,
        **dict.fromkeys(metrics, "float64"),
        **REPORT_COLUMNS_LAST,
    }
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def table_of(rows: Sequence[Report], metrics: Sequence[str]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in (*REPORT_COLUMNS_FIRST, "decision", "order", "why")
    }
    columns["worker"] = [row.worker or None for row in rows]
    columns["rung"] = [None if row.rung == UNKNOWN_RUNG else row.rung for row in rows]
    for name in (*metrics, "learning_rate"):
        columns[name] = [row.metrics.get(name) for row in rows]
    columns["at"] = [microseconds(row.at) for row in rows]
    schema = schema_of(metrics)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def reports_of(table: pa.Table) -> Iterator[Report]:
    fixed = {*REPORT_COLUMNS_FIRST, "decision", "order"}
    for row in table.to_pylist():
        at, rung, why = row.pop("at", None), row.pop("rung", UNKNOWN_RUNG), row.pop("why", None)
        worker = row.pop("worker", None) or ""
        metrics = {k: v for k, v in row.items() if k not in fixed and v is not None}
        seconds = None if at is None else at.timestamp()
        known: dict[str, Any] = {name: row[name] for name in fixed}
        known |= {"at": seconds, "rung": rung, "why": why or "", "worker": worker}
        yield Report(attempt=0, metrics=metrics, **known)

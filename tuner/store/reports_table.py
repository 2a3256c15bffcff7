"""The record of reports: an append-only log for safety, Parquet parts for reading.

Every report is a line of `reports.log` before anything is decided on it, so a killed run loses
none. Rows of finished cells go to the parts of `reports.parquet/`. The newest part is rewritten
until it is full; then it stays as it is and the log starts anew: what is rewritten stays bounded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tuner.errors import ResultsError
from tuner.files import cut_unfinished_line, put_bytes
from tuner.store.layout import (
    REPORT_COLUMNS_FIRST,
    REPORT_COLUMNS_LAST,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
)
from tuner.store.parquet import arrow_type, microseconds, put_parquet, read_parquet
from tuner.trial.cells import CellKey, Decision

ROWS_A_PART = 50_000


@dataclass(frozen=True)
class Report:
    """One report as the study took it, `at` a time in seconds since the Unix epoch.

    `order` counts all reports of the study, from 0. `rung` is the rung that it was judged at, if
    at one, and `why` the scheduler's reason.
    """

    trial: int
    attempt: int
    fold: int
    epoch: int
    time_s: float
    metrics: Mapping[str, float]
    decision: str
    order: int
    at: float | None = None
    rung: int | None = None
    why: str = ""

    @property
    def key(self) -> CellKey:
        """The cell that it is of."""
        return CellKey(self.trial, self.fold)


class ReportStore:
    """Writes the reports of one study's folder. One driver holds it at a time."""

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / REPORT_LOG_FILE
        self._parts = folder / REPORTS_FOLDER
        self._parts.mkdir(exist_ok=True)
        cut_unfinished_line(self._log_path)
        self._part = 1
        self._metrics: list[str] = []
        self._open: dict[CellKey, list[Report]] = {}
        self._ready: list[Report] = []
        self._changed = False
        self._read_parts()
        for report in self._read_log():
            self._hold(report)
        if not self._part_path(0).exists():
            self._write_part(0, [])
        self._log = self._log_path.open("ab")
        if self._log.tell() == 0:
            self._write_line({"part": self._part})

    def reports(self) -> Iterator[Report]:
        """Every report on disk, those in parts (finished cells; attempt 0) first."""
        for number in range(1, self._part):
            yield from _rows(read_parquet(self._part_path(number)))
        for rows in self._open.values():
            yield from rows

    def trials(self) -> set[int]:
        """The trials of which there are reports."""
        known = {trial for trial, _ in self._open}
        for number in range(1, self._part):
            known |= set(read_parquet(self._part_path(number))["trial"].unique().to_pylist())
        return known

    def append(self, report: Report) -> None:
        """Keep a report; it is in the log when this returns."""
        self._write_line({**asdict(report), "metrics": dict(report.metrics)})
        self._hold(report)

    def finish(self, cell: CellKey) -> None:
        """A cell has ended for good: its reports go to the table."""
        self._ready.extend(self._open.pop(cell, []))
        self._changed = True

    def drop(self, cell: CellKey, attempt: int, after: int = 0) -> None:
        """Forget a cell's reports up to this attempt: a new one starts it over, `after` an epoch.

        The log keeps them until it starts anew; the reader of a log drops them once more.
        """
        rows = self._open.pop(cell, [])
        kept = [row for row in rows if row.attempt > attempt or row.epoch <= after]
        if kept:
            self._open[cell] = kept

    def drop_finished(self, cells: Iterable[CellKey]) -> None:
        """Take cells out of the whole parts, to be run again (on resume only)."""
        gone = set(cells)
        for number in range(1, self._part):
            table = read_parquet(self._part_path(number))
            keys = zip(table["trial"].to_pylist(), table["fold"].to_pylist(), strict=True)
            keep = [key not in gone for key in keys]
            if not all(keep):
                put_parquet(self._part_path(number), table.filter(pa.array(keep)))

    def fill_gaps(self) -> None:
        """Put empty parts where whole ones are missing, so that the others can be read."""
        for number in range(1, self._part):
            if not self._part_path(number).exists():
                self._write_part(number, [])

    def write(self) -> None:
        """Bring the table up to date."""
        if not self._changed:
            return
        self._write_part(self._part, self._ready)
        self._changed = False
        if len(self._ready) >= ROWS_A_PART:
            self._start_part()

    def close(self) -> None:
        """Write what is due and close the log."""
        self.write()
        self._log.close()

    def _hold(self, report: Report) -> None:
        rows = self._open.setdefault(report.key, [])
        if rows and rows[-1].attempt < report.attempt:  # it started over from its last pause
            pauses = [row.epoch for row in rows if row.decision == Decision.PAUSE]
            rows[:] = [row for row in rows if row.epoch <= max(pauses, default=0)]
        rows.append(report)
        new = [name for name in report.metrics if name not in self._metrics]
        new = [name for name in new if name not in REPORT_COLUMNS_LAST]
        if new:
            self._metrics.extend(new)
            self._widen_parts()

    def _start_part(self) -> None:
        """Leave the full part as it is; the log keeps only the cells still open."""
        self._part += 1
        self._ready = []
        lines: list[dict[str, Any]] = [{"part": self._part}]
        for rows in self._open.values():
            lines.extend({**asdict(row), "metrics": dict(row.metrics)} for row in rows)
        self._log.close()
        put_bytes(self._log_path, b"".join(_line(line) for line in lines))
        self._log = self._log_path.open("ab")

    def _write_line(self, content: Mapping[str, Any]) -> None:
        self._log.write(_line(content))
        self._log.flush()

    def _read_log(self) -> Iterator[Report]:
        if not self._log_path.exists():
            return
        with self._log_path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    content = json.loads(line)
                    if "part" in content:
                        self._part = int(content["part"])
                        continue
                    report = Report(**content)
                except (ValueError, TypeError) as error:
                    raise ResultsError(
                        f"{self._log_path}, line {number}, is none that tuner wrote ({error}); "
                        "`tuner repair STUDY_DIR` goes on without it"
                    ) from None
                yield report

    def _part_path(self, number: int) -> Path:
        return self._parts / f"part-{number:05}.parquet"

    def _read_parts(self) -> None:
        for path in sorted(self._parts.glob("part-*.parquet")):
            for name in _columns(path):
                if name not in {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST, *self._metrics}:
                    self._metrics.append(name)

    def _write_part(self, number: int, rows: list[Report]) -> None:
        put_parquet(self._part_path(number), _table(rows, self._metrics))

    def _widen_parts(self) -> None:
        """Give the whole parts the newest columns: pandas takes the columns of the first part."""
        for number in range(self._part):
            if self._part_path(number).exists():
                table = read_parquet(self._part_path(number))
                for field in _schema(self._metrics):
                    if field.name not in table.column_names:
                        table = table.append_column(field, pa.nulls(len(table), field.type))
                put_parquet(self._part_path(number), table.select(_schema(self._metrics).names))
        self._changed = True


def _columns(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (OSError, ValueError, pa.ArrowException):
        return list(read_parquet(path).column_names)  # says what is wrong with it


def _schema(metrics: list[str]) -> pa.Schema:
    columns = {
        **REPORT_COLUMNS_FIRST,
        **dict.fromkeys(metrics, "float64"),
        **REPORT_COLUMNS_LAST,
    }
    return pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])


def _table(rows: list[Report], metrics: list[str]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in (*REPORT_COLUMNS_FIRST, "decision", "order", "rung", "why")
    }
    for name in (*metrics, "learning_rate"):
        columns[name] = [row.metrics.get(name) for row in rows]
    columns["at"] = [microseconds(row.at) for row in rows]
    schema = _schema(metrics)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _rows(table: pa.Table) -> Iterator[Report]:
    fixed = {*REPORT_COLUMNS_FIRST, "decision", "order"}
    for row in table.to_pylist():
        at, rung, why = row.pop("at", None), row.pop("rung", None), row.pop("why", None)
        metrics = {k: v for k, v in row.items() if k not in fixed and v is not None}
        seconds = None if at is None else at.timestamp()
        known = {name: row[name] for name in fixed}
        yield Report(attempt=0, metrics=metrics, at=seconds, rung=rung, why=why or "", **known)


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"

"""The record of reports: an append-only log for safety, Parquet parts for reading.

Every report is a line of `reports.log` before anything is decided on it, so a killed run loses
none. Rows of finished cells go to the parts of `reports.parquet/`. The newest part is rewritten
until it is full; then it stays as it is and the log starts anew: what is rewritten stays bounded.

A log that lost what a part holds (it was cut, or is gone) costs nothing: the rows that the part
alone has are kept as a whole part, and the log goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tuner.errors import ResultsError
from tuner.files import AppendFile, put_bytes
from tuner.store.layout import (
    REPORT_COLUMNS_FIRST,
    REPORT_COLUMNS_LAST,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
)
from tuner.store.log import Damaged, cut_unfinished, decode, encode, lines
from tuner.store.parquet import arrow_type, microseconds, put_parquet, read_parquet
from tuner.trial.cells import CellKey, Decision

ROWS_A_PART = 50_000
MOST_PARTS = 99_999
UNKNOWN_RUNG = -1
"""The rung of a report of an earlier version, which did not keep it: it follows from the epoch."""
NEVER_A_METRIC = {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST} - {"learning_rate"}


@dataclass(frozen=True)
class Report:
    """One report as the study took it, `at` a time in seconds since the Unix epoch.

    `order` counts all reports of the study, from 0. `rung` is the rung that it was judged at, if
    at one (UNKNOWN_RUNG where that was not kept), and `why` the scheduler's reason.
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

    def as_json(self) -> dict[str, Any]:
        """The record of the log."""
        return {**asdict(self), "metrics": dict(self.metrics)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Report:
        """Raises Damaged for what tuner cannot have written."""
        try:
            report = cls(**{"rung": UNKNOWN_RUNG, **content})
            at = 0.0 if report.at is None else report.at
            numbers = [report.time_s, at, *report.metrics.values()]
            real = all(isinstance(float(number), float) for number in numbers)
            dated = 0.0 <= at < 2.5e11  # the year 9999
            named = NEVER_A_METRIC.isdisjoint(report.metrics) and isinstance(report.decision, str)
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Damaged(str(error)) from None
        for name in ("trial", "attempt", "fold", "epoch", "order"):
            value = getattr(report, name)
            if type(value) is not int or not 0 <= value < 1 << 48:
                raise Damaged(f"{name} is {value!r}")
        if not (real and dated and named):
            raise Damaged("its numbers or names are out of range")
        return report


def read_entry(line: bytes) -> Report | int:
    """A line of the log: a report, or the number of the part that holds those behind it.

    Raises Damaged for what tuner cannot have written.
    """
    content = decode(line)
    if "part" not in content:
        return Report.from_json(content)
    number = content["part"]
    if type(number) is not int or not 1 <= number <= MOST_PARTS:
        raise Damaged(f"part is {number!r}")
    return number


class ReportStore:
    """Writes the reports of one study's folder. One driver holds it at a time."""

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / REPORT_LOG_FILE
        self._parts = folder / REPORTS_FOLDER
        self._parts.mkdir(exist_ok=True)
        cut_unfinished(self._log_path)
        self._part = 1
        self._whole: list[int] = []
        self._metrics: list[str] = []
        self._open: dict[CellKey, list[Report]] = {}
        self._ready: list[Report] = []
        self._changed = False
        begun = self._read()
        if not self._part_path(0).exists():
            self._write_part(0, [])
        self._log = AppendFile(self._log_path)
        if self._log.size == 0 or not begun:
            self._log.append(encode({"part": self._part}))

    def _read(self) -> bool:
        """Take what the parts and the log hold; whether the log says which part is its own."""
        numbers = self._part_numbers()
        for number in numbers:
            self._note_metrics(_columns(self._part_path(number)))
        said: int | None = None
        logged: set[tuple[int, int, int]] = set()
        for entry in self._entries():
            if isinstance(entry, int):
                said = entry
            else:
                logged.add((entry.trial, entry.fold, entry.epoch))
                self._hold(entry)
        self._part = said or 1
        self._whole = [number for number in numbers if 0 < number < self._part]
        for number in (number for number in numbers if number >= self._part):
            if self._keep_alone(number, logged):
                self._whole.append(number)
        if self._whole and self._whole[-1] >= self._part:
            self._part, said = self._whole[-1] + 1, None
        return said is not None

    def _keep_alone(self, number: int, logged: set[tuple[int, int, int]]) -> bool:
        """Leave in a part the rows that the log has not; whether there are any."""
        table = self._read_part(number)
        keys = zip(*(table[name].to_pylist() for name in ("trial", "fold", "epoch")), strict=True)
        alone = [key not in logged for key in keys]
        if any(alone) and not all(alone):
            put_parquet(self._part_path(number), table.filter(pa.array(alone)))
        return any(alone)

    def reports(self) -> Iterator[Report]:
        """Every report on disk, those in parts (finished cells; attempt 0) first."""
        for number in self._whole:
            yield from _rows(self._read_part(number))
        for rows in self._open.values():
            yield from rows

    def by_cell(self) -> dict[int, dict[int, list[Report]]]:
        """Every report on disk by trial and fold, each cell's in order."""
        found: dict[int, dict[int, list[Report]]] = {}
        for report in sorted(self.reports(), key=lambda report: report.order):
            found.setdefault(report.trial, {}).setdefault(report.fold, []).append(report)
        return found

    def last_epochs(self) -> dict[CellKey, int]:
        """The last epoch that was reported of every cell."""
        last: dict[CellKey, int] = {}
        for number in self._whole:
            table = (
                self._read_part(number).group_by(["trial", "fold"]).aggregate([("epoch", "max")])
            )
            for row in table.to_pylist():
                key = CellKey(row["trial"], row["fold"])
                last[key] = max(last.get(key, 0), row["epoch_max"])
        for key, rows in self._open.items():
            last[key] = max([last.get(key, 0), *(row.epoch for row in rows)])
        return last

    def trials(self) -> set[int]:
        """The trials of which there are reports."""
        return {trial for trial, _ in self.last_epochs()}

    def append(self, report: Report) -> None:
        """Keep a report; it is in the log when this returns."""
        self._log.append(encode(report.as_json()))
        self._hold(report)

    def sync(self) -> None:
        """Put the log on the disk."""
        self._log.sync()

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
        for number in self._whole:
            table = self._read_part(number)
            keys = zip(table["trial"].to_pylist(), table["fold"].to_pylist(), strict=True)
            keep = [key not in gone for key in keys]
            if not all(keep):
                put_parquet(self._part_path(number), table.filter(pa.array(keep)))

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

    def abandon(self) -> None:
        """Let go of the log as it is, as a process does that is killed."""
        self._log.close()

    def _hold(self, report: Report) -> None:
        rows = self._open.setdefault(report.key, [])
        if rows and rows[-1].attempt < report.attempt:  # it started over from its last pause
            pauses = [row.epoch for row in rows if row.decision == Decision.PAUSE]
            rows[:] = [row for row in rows if row.epoch <= max(pauses, default=0)]
        rows.append(report)
        if self._note_metrics(report.metrics):
            self._widen_parts()

    def _note_metrics(self, names: Iterable[str]) -> bool:
        """Take over the metrics that are new among columns; whether there are any."""
        known = {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST, *self._metrics}
        new = [name for name in names if name not in known]
        self._metrics.extend(new)
        return bool(new)

    def _start_part(self) -> None:
        """Leave the full part as it is; the log keeps only the cells still open."""
        self._whole.append(self._part)
        self._part += 1
        self._ready = []
        content = [encode({"part": self._part})]
        for rows in self._open.values():
            content.extend(encode(row.as_json()) for row in rows)
        self._log.close()
        put_bytes(self._log_path, b"".join(content))
        self._log = AppendFile(self._log_path)

    def _entries(self) -> Iterator[Report | int]:
        for number, line in lines(self._log_path):
            try:
                yield read_entry(line)
            except Damaged as error:
                raise ResultsError(
                    f"{self._log_path}, line {number}, is damaged ({error}); "
                    "`tuner repair STUDY_DIR` goes on without it"
                ) from None

    def _part_path(self, number: int) -> Path:
        return self._parts / f"part-{number:05}.parquet"

    def _part_numbers(self) -> list[int]:
        """The parts that there are, in order."""
        names = (path.stem.removeprefix("part-") for path in self._parts.glob("part-*.parquet"))
        return sorted(int(name) for name in names if name.isdecimal() and len(name) == 5)

    def _read_part(self, number: int) -> pa.Table:
        return read_part(self._part_path(number))

    def _write_part(self, number: int, rows: list[Report]) -> None:
        put_parquet(self._part_path(number), _table(rows, self._metrics))

    def _widen_parts(self) -> None:
        """Give the whole parts the newest columns: pandas takes the columns of the first part."""
        for number in self._part_numbers():
            table = self._read_part(number)
            for name in _schema(self._metrics).names:
                if name not in table.column_names:
                    kind = arrow_type(REPORT_COLUMNS_LAST.get(name, "float64"))
                    table = table.append_column(name, pa.nulls(len(table), kind))
            put_parquet(self._part_path(number), table.select(_schema(self._metrics).names))
        self._changed = True


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
        for name in (*REPORT_COLUMNS_FIRST, "decision", "order", "why")
    }
    columns["rung"] = [None if row.rung == UNKNOWN_RUNG else row.rung for row in rows]
    for name in (*metrics, "learning_rate"):
        columns[name] = [row.metrics.get(name) for row in rows]
    columns["at"] = [microseconds(row.at) for row in rows]
    schema = _schema(metrics)
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _rows(table: pa.Table) -> Iterator[Report]:
    fixed = {*REPORT_COLUMNS_FIRST, "decision", "order"}
    for row in table.to_pylist():
        at, rung, why = row.pop("at", None), row.pop("rung", UNKNOWN_RUNG), row.pop("why", None)
        metrics = {k: v for k, v in row.items() if k not in fixed and v is not None}
        seconds = None if at is None else at.timestamp()
        known = {name: row[name] for name in fixed}
        yield Report(attempt=0, metrics=metrics, at=seconds, rung=rung, why=why or "", **known)

"""The record of reports: an append-only log for safety, Parquet parts for reading.

Every report is a line of `reports.log` before anything is decided on it, so a killed run loses
none. Rows of finished cells go to the parts of `reports.parquet/`. The newest part is rewritten
until it is full; then it stays as it is and the log starts anew: what is rewritten stays bounded.

A log that lost what a part holds (it was cut, or is gone) costs nothing: the rows that the part
alone has are kept as a whole part, and the log goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tuner.errors import ResultsError
from tuner.files import AppendFile, put_bytes
from tuner.store.layout import (
    REPORT_COLUMNS_FIRST,
    REPORT_COLUMNS_LAST,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
)
from tuner.store.log import Damaged, cut_unfinished, encode, lines
from tuner.store.report import Report, read_entry
from tuner.store.report_parts import Parts
from tuner.trial.cells import CellKey, Decision

ROWS_A_PART = 50_000


class ReportStore:
    """Writes the reports of one study's folder. One driver holds it at a time."""

    def __init__(self, folder: Path) -> None:
        self._log_path = folder / REPORT_LOG_FILE
        self._parts = Parts(folder / REPORTS_FOLDER)
        self._parts.folder.mkdir(exist_ok=True)
        cut_unfinished(self._log_path)
        self._part = 1
        self._whole: list[int] = []
        self._metrics: list[str] = []
        self._open: dict[CellKey, list[Report]] = {}
        self._ready: list[Report] = []
        self._changed = False
        begun = self._read()
        if not self._parts.path(0).exists():
            self._parts.write(0, [], self._metrics)
        self._log = AppendFile(self._log_path)
        if self._log.size == 0 or not begun:
            self._log.append(encode({"part": self._part}))

    def _read(self) -> bool:
        """Take what the parts and the log hold; whether the log says which part is its own."""
        numbers = self._parts.numbers()
        for number in numbers:
            self._note_metrics(self._parts.columns(number))
        said: int | None = None
        logged: set[tuple[int, ...]] = set()
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

    def _keep_alone(self, number: int, logged: set[tuple[int, ...]]) -> bool:
        """Leave in a part the rows that the log has not; whether there are any."""
        keys = self._parts.keys(number, "trial", "fold", "epoch")
        alone = [key not in logged for key in keys]
        if any(alone):
            self._parts.keep(number, alone)
        return any(alone)

    def reports(self) -> Iterator[Report]:
        """Every report on disk, those in parts (finished cells; attempt 0) first."""
        for number in self._whole:
            yield from self._parts.reports(number)
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
            for key, epoch in self._parts.last_epochs(number):
                last[key] = max(last.get(key, 0), epoch)
        for row in chain(self._ready, *self._open.values()):
            last[row.key] = max(last.get(row.key, 0), row.epoch)
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
            keys = self._parts.keys(number, "trial", "fold")
            self._parts.keep(number, [key not in gone for key in keys])

    def write(self) -> None:
        """Bring the table up to date."""
        if not self._changed:
            return
        self._parts.write(self._part, self._ready, self._metrics)
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
            self._parts.widen(self._metrics)
            self._changed = True

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

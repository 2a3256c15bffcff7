"""Both tables of a study, kept up to date while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.search_space.space import SearchSpace
from tuner.store.layout import FILES_FOLDER, TRIALS_FILE
from tuner.store.loggers import Logger
from tuner.store.parquet import put_parquet
from tuner.store.report import Report
from tuner.store.reports_table import ReportStore
from tuner.store.trial_logs import keep_log
from tuner.store.trials_table import trials_table
from tuner.trial.cells import Cell, CellKey, Outcome
from tuner.trial.weights_file import forget_weights

if TYPE_CHECKING:
    from tuner.study.record import Record


class Recorder:
    """Writes the tables into `folder`; with None it writes nothing. `loggers` get them too.

    Its study says how many `goals` it has, whether it is `constrained`, and a `population`.
    """

    def __init__(
        self,
        folder: Path | None,
        space: SearchSpace,
        engine: str,
        loggers: Sequence[Logger] = (),
    ) -> None:
        self.store = None if folder is None else ReportStore(folder)
        self._folder = folder
        self._space = space
        self._engine = engine
        self._loggers = loggers
        self._next_write = 0.0
        self.goals = 1
        self.constrained = False
        self.population = False

    def append(self, report: Report) -> None:
        """Keep a report: a kill can't take it any more, and a power cut only within a second."""
        if self.store is not None:
            self.store.append(report)
        for logger in self._loggers:
            logger.append(report)

    def sync(self) -> None:
        """Put the reports on the disk: the ledger may promise them from then on."""
        if self.store is not None:
            self.store.sync()

    def finish(self, record: Record) -> None:
        """A trial has ended for good: its reports go to the table."""
        if self.store is not None:
            for fold in record.cells:
                self.store.finish(CellKey(record.trial, fold))
        if record.why:  # nobody goes on from one that was replaced
            self.forget_weights(record.trial)
        for logger in self._loggers:
            logger.ended(record)

    def forget_weights(self, trial: int | None = None) -> None:
        """Remove the weights that a trial kept for others, or all trials."""
        if self._folder is not None and self.population:
            forget_weights(self._folder / FILES_FOLDER, trial)

    def log(self, cell: Cell, outcome: Outcome) -> None:
        """Keep what a cell printed, and its error."""
        if self._folder is not None:
            keep_log(self._folder, cell, outcome)

    def drop(self, cell: CellKey, attempt: int, after: int = 0) -> None:
        """Forget a cell's reports after an epoch, of attempts up to this one."""
        if self.store is not None:
            self.store.drop(cell, attempt, after)
        for logger in self._loggers if not after else ():
            logger.drop(cell)

    def write(self, records: Iterable[Record], *, now: bool = False) -> None:
        """Write what is due; `now` writes all."""
        if self.store is None or self._folder is None:
            return
        started = time.monotonic()
        if not now and started < self._next_write:
            return
        self.store.write()  # first: no trial may seem to have ended without its reports
        table = trials_table(
            records,
            self._space,
            self._engine,
            goals=self.goals,
            constrained=self.constrained,
            population=self.population,
        )
        put_parquet(self._folder / TRIALS_FILE, table)
        # At most a twentieth of the driver's time goes into rewriting.
        ended = time.monotonic()
        self._next_write = ended + max(2.0, 20 * (ended - started))

    def close(self, records: Iterable[Record]) -> None:
        """Write everything and close the log."""
        self.write(records, now=True)
        if self.store is not None:
            self.store.close()
        for logger in self._loggers:
            logger.close(records)

"""`--tensorboard`: reports as event files, which TensorBoard reads: one run a trial.

The driver writes them from the reports that it takes, so they hold what `reports.parquet` holds,
for any training function and any engine, and workers on other hosts need no shared file system.
Each trial's parameters and value come with them, for TensorBoard's table of hyperparameters.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import EngineError
from tuner.store.layout import TENSORBOARD_FOLDER, cell_folder
from tuner.store.loggers import plain_params
from tuner.store.report import Report
from tuner.trial.cells import CellKey

if TYPE_CHECKING:
    from tuner.study.record import Record


class EventFiles:
    """Writes `<folder>/tensorboard/<trial>`; in a cross-validation, a run a fold below it.

    Raises EngineError where tensorboardX, which comes with Ray Tune, is missing.
    """

    def __init__(self, folder: Path, *, metric: str, cells: int) -> None:
        try:
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2, summary_pb2
        except ImportError:
            raise EngineError(
                "event files need the package tensorboardX: `pip install tensorboardX`",
                field="tensorboard",
                way_out="or leave them out",
            ) from None
        # Not its SummaryWriter: that one takes a thread and two semaphores a run.
        self._new_file = event_file_writer.EventsWriter
        self._hparams = summary.hparams
        self._event = event_pb2.Event
        self._summary = summary_pb2.Summary
        self._root = folder / TENSORBOARD_FOLDER
        self._metric = metric
        self._cells = cells
        self._open: dict[CellKey, Any] = {}
        self._numbers = itertools.count()

    def append(self, report: Report) -> None:
        """Add a report to its cell's run; TensorBoard's steps are epochs."""
        values = [
            self._summary.Value(tag=name, simple_value=value)
            for name, value in report.metrics.items()
        ]
        file = self._file(report.key)
        self._write(file, self._summary(value=values), report.epoch)
        file.flush()

    def finish(self, cell: CellKey) -> None:
        """A cell has ended for good."""
        file = self._open.pop(cell, None)
        if file is not None:
            file.close()

    def ended(self, record: Record) -> None:
        """A trial has ended for good."""
        for fold in record.cells:
            self.finish(CellKey(record.trial, fold))

    def drop(self, cell: CellKey) -> None:
        """A cell starts over: its run is removed."""
        self.finish(cell)
        folder = self._folder(cell)
        if folder.exists():
            shutil.rmtree(folder)

    def close(self, records: Iterable[Record]) -> None:
        """Close all files, each ended trial's parameters and value added."""
        for cell in list(self._open):
            self.finish(cell)
        for record in records:
            if record.value is not None:
                self._add_parameters(record, record.value)

    def _add_parameters(self, record: Record, value: float) -> None:
        name = f"value_{self._metric}"
        for fold in record.cells:
            file = self._file(CellKey(record.trial, fold))
            for summary in self._hparams(plain_params(record), {name: value}):
                self._write(file, summary, 0)
            scalar = self._summary.Value(tag=name, simple_value=value)
            self._write(file, self._summary(value=[scalar]), record.epochs)
            self.finish(CellKey(record.trial, fold))

    def _file(self, cell: CellKey) -> Any:
        if cell not in self._open:
            folder = self._folder(cell)
            folder.mkdir(parents=True, exist_ok=True)
            # Its own names have the second only: a file opened again would lose what it held.
            suffix = f".{os.getpid()}.{next(self._numbers)}"
            self._open[cell] = self._new_file(str(folder / "events"), suffix)
        return self._open[cell]

    def _folder(self, cell: CellKey) -> Path:
        trial, fold = cell
        return cell_folder(self._root, trial, fold if self._cells > 1 else None)

    def _write(self, file: Any, summary: Any, step: int) -> None:
        file.write_event(self._event(wall_time=time.time(), step=step, summary=summary))

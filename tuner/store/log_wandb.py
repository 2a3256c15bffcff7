"""`--log wandb`: a run a trial, in a group that is the study; extra `wandb`.

Where it goes is what wandb's own environment says: WANDB_MODE=offline writes below the study.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.store.loggers import metric_name, missing, plain_params
from tuner.store.report import Report
from tuner.trial.cells import CellKey, State

if TYPE_CHECKING:
    from tuner.study.record import Record


class WandB:
    """Tells Weights & Biases of a study in a folder, whose name is the runs' group."""

    def __init__(self, folder: Path, *, metric: str, cells: int) -> None:
        """Raises EngineError where wandb is missing."""
        try:
            import wandb
        except ImportError:
            raise missing("wandb", "wandb") from None
        self._wandb = wandb
        self._folder, self._metric, self._cells = folder, metric, cells
        self._runs: dict[int, Any] = {}

    def append(self, report: Report) -> None:
        """Add a report to its trial's run; W&B's steps are epochs."""
        values = {
            metric_name(name, report.fold, self._cells): value
            for name, value in report.metrics.items()
        }
        self._run(report.trial).log({"epoch": report.epoch, **values})

    def ended(self, record: Record) -> None:
        """Add what a trial was, and what became of it, and end its run."""
        run = self._run(record.trial)
        run.config.update(plain_params(record), allow_val_change=True)
        run.summary.update({"state": str(record.state), "value": record.value})
        run.finish(exit_code=int(record.state is State.FAILED))
        del self._runs[record.trial]

    def drop(self, cell: CellKey) -> None:
        """A cell starts over: its trial gets a new run."""
        if cell.trial in self._runs:
            self._runs.pop(cell.trial).finish(exit_code=1)

    def close(self, records: Iterable[Record]) -> None:
        """End the runs of trials that are in flight."""
        for trial in list(self._runs):
            self._runs.pop(trial).finish(exit_code=1)

    def _run(self, trial: int) -> Any:
        if trial not in self._runs:
            self._runs[trial] = self._wandb.init(
                project="tuner",
                group=self._folder.name,
                name=f"trial {trial}",
                dir=str(self._folder),
                config={"trial": trial},
                reinit="create_new",
                settings=self._wandb.Settings(silent=True, console="off", x_disable_stats=True),
            )
        return self._runs[trial]

"""`--log mlflow`: a run a trial, nested under a run of the study; extra `mlflow`.

It goes where MLFLOW_TRACKING_URI says, or MLflow's own default. A resumed study goes on with its
runs, found by their tags.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.store.loggers import metric_name, missing, plain_params
from tuner.store.report import Report
from tuner.store.study_tables import read_study
from tuner.trial.cells import CellKey, State

if TYPE_CHECKING:
    from tuner.study.record import Record

PARENT = "mlflow.parentRunId"
STUDY, TRIAL, STATE = "tuner.study", "tuner.trial", "tuner.state"
"""Tags of the runs: a study's folder; a trial's number, and what became of it."""
BEST, BEST_BY = "tuner.best_trial", "tuner.best_by"
"""Tags of a study's run: its best trial, and by what rule (value, confirmed, one_se)."""
ENDS = {State.COMPLETE: "FINISHED", State.STOPPED: "FINISHED"}
"""How MLflow calls a trial's end; any other failed."""


class MLflow:
    """Tells an MLflow server, or a folder of its own, of a study in a folder."""

    def __init__(self, folder: Path, *, metric: str, cells: int) -> None:
        """Raises EngineError where MLflow is missing."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            from mlflow import entities
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise missing("mlflow", "mlflow") from None
        self._client = MlflowClient()
        self._metric_of, self._param_of = entities.Metric, entities.Param
        self._folder, self._metric, self._cells = folder, metric, cells
        self._experiment = self._experiment_of(folder.name)
        where = str(folder.resolve())
        self._study = self._found({STUDY: where}) or self._made(folder.name, {STUDY: where})
        self._runs: dict[int, str] = {}

    def append(self, report: Report) -> None:
        """Add a report to its trial's run; MLflow's steps are epochs."""
        now = _now_ms()
        metrics = [
            self._metric_of(metric_name(name, report.fold, self._cells), value, now, report.epoch)
            for name, value in report.metrics.items()
        ]
        self._client.log_batch(self._run(report.trial), metrics=metrics)

    def ended(self, record: Record) -> None:
        """Add what a trial was, and what became of it."""
        run = self._run(record.trial)
        params = [self._param_of(name, str(v)) for name, v in plain_params(record).items()]
        value = [] if record.value is None else [_valued(self._metric_of, record)]
        self._client.log_batch(run, params=params, metrics=value)
        self._client.set_tag(run, STATE, str(record.state))
        self._client.set_terminated(run, ENDS.get(record.state, "FAILED"))

    def drop(self, cell: CellKey) -> None:
        """A cell starts over: its trial gets a new run."""
        self._client.delete_run(self._run(cell.trial))
        del self._runs[cell.trial]

    def close(self, records: Iterable[Record]) -> None:
        """End the study's run, with its best trial: the one that its tables say. Once its leaders
        were confirmed this is called again."""
        choice = read_study(self._folder).choice
        if choice is not None:
            [best] = [record for record in records if record.trial == choice.trial]
            assert best.value is not None  # or it could not be chosen
            self._client.log_metric(self._study, f"best_{self._metric}", best.value)
            self._client.set_tag(self._study, BEST, str(best.trial))
            self._client.set_tag(self._study, BEST_BY, choice.by)
        self._client.set_terminated(self._study)

    def _run(self, trial: int) -> str:
        if trial not in self._runs:
            tags = {PARENT: self._study, TRIAL: str(trial)}
            self._runs[trial] = self._found(tags) or self._made(f"trial {trial}", tags)
        return self._runs[trial]

    def _experiment_of(self, name: str) -> str:
        known = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known else self._client.create_experiment(name))

    def _found(self, tags: dict[str, str]) -> str | None:
        where = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        runs = self._client.search_runs([self._experiment], where, max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def _made(self, name: str, tags: dict[str, str]) -> str:
        run = self._client.create_run(self._experiment, tags=tags, run_name=name)
        return str(run.info.run_id)


def _valued(metric: Any, record: Record) -> Any:
    return metric("value", record.value, _now_ms(), record.best_epoch or record.epochs)


def _now_ms() -> int:
    return int(time.time() * 1000)

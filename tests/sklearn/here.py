"""TunerSearchCV without Ray: its cells trained one after another in the test's own process.

All else is the product's own way: the study, its folder, the training function, the scores. What
Ray adds is tested where Ray is.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from tuner.data.splits import cell_data
from tuner.engines import choice
from tuner.engines.choice import Chosen
from tuner.engines.contract import Job, Study
from tuner.store.layout import cell_folder
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Decision


@dataclass(frozen=True)
class Here:
    """An engine of one slot, in this process. A paused cell trains again from its first epoch."""

    job: Job

    def why_not(self) -> str | None:
        return None

    def run(self, study: Study) -> None:
        while (cell := study.ask()) is not None:
            self._carry(study, cell)

    def _carry(self, study: Study, cell: Cell) -> None:
        decisions = [Decision.CONTINUE]

        def send(epoch: int, metrics: Mapping[str, float], time_s: float) -> Decision:
            decisions.append(study.report(cell, epoch, metrics, time_s))
            went_on = decisions[-1] is Decision.CONTINUE
            return Decision.CONTINUE if went_on else Decision.STOP

        job, dataset = self.job, self.job.dataset
        assert dataset is not None
        assert job.files is not None
        folder = cell_folder(job.files, cell.trial, cell.fold)
        folder.mkdir(parents=True, exist_ok=True)
        states = random.getstate(), np.random.get_state()
        objective: Any = job.experiment.objective
        try:
            outcome = run_cell(
                objective,
                job.experiment.goals[0].metric,
                cell,
                send,
                lambda: cell_data(dataset, job.splits, cell.fold),
                folder,
            )
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        if decisions[-1] is not Decision.PAUSE:
            study.tell(cell, outcome)


class NoCluster:
    """Stands where Ray's session would be."""

    lease = None
    """Nobody shares it."""
    local = True

    def ready(self) -> None:
        """There is nothing to wait for."""


@contextmanager
def _no_ray(*resources: Any, address: str | None = None) -> Iterator[NoCluster]:
    yield NoCluster()


def _refused() -> None:
    raise AssertionError("this test was to do without Ray, and starts one")


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run of this test carry its cells here."""
    chosen: Callable[[Job, Any], Chosen] = lambda job, cluster: Chosen(  # noqa: E731
        "ray_tune", "in the test's own process", Here(job)
    )
    run = importlib.import_module("tuner.runner.run")  # the package's `run` is its function
    monkeypatch.setattr("os.fsync", lambda file: None)  # what a power cut takes is tested elsewhere
    monkeypatch.setattr(run, "run_study", partial(run.run_study, via=_no_ray))
    monkeypatch.setattr("tuner.cluster.session.temp_folder", _refused)  # the start's first step
    monkeypatch.setattr(run, "start_ahead", lambda objective: None)
    monkeypatch.setattr(choice, "choose", chosen)

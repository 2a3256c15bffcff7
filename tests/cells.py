"""Cells run in the test's own process: a worker's side without an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tuner.data.datasets import load
from tuner.data.splits import Data, Part, Splits, cell_data
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Decision, Outcome
from tuner.trial.trial import Trial

# Before TensorFlow starts anywhere in the test run: what is compared must be computed alike.
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"
os.environ["TF_NUM_INTEROP_THREADS"] = "1"


@cache
def digits() -> Data:
    """A small, fixed part of the digits: 300 samples to train on, 100 to validate."""
    data = cell_data(load("digits"), Splits(seed=0))
    return Data(
        Part(data.x_train[:300], data.y_train[:300]),
        Part(data.x_val[:100], data.y_val[:100]),
        data.n_classes,
    )


@dataclass
class Reports:
    """The study's end of a cell: keeps what is reported, and stops at epoch `stop_at`."""

    stop_at: int | None = None
    metrics: list[dict[str, float]] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def send(self, epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        assert time_s >= 0
        self.epochs.append(epoch)
        self.metrics.append(metrics)
        return Decision.STOP if epoch == self.stop_at else Decision.CONTINUE


def cell(params: Mapping[str, Any] | None = None, *, epochs: int | None = 3, seed: int = 3) -> Cell:
    return Cell(trial=0, attempt=1, fold=0, params=params or {}, seed=seed, epochs=epochs)


def trial(params: Mapping[str, Any] | None = None, **options: Any) -> Trial:
    return Trial(cell(params, **options), Reports().send, digits)


def run(
    objective: Any,
    params: Mapping[str, Any] | None = None,
    *,
    metric: str = "val_accuracy",
    reports: Reports | None = None,
    load_data: Callable[[], Data] = digits,
    **options: Any,
) -> tuple[Outcome, Reports]:
    """Run one cell as a reused worker does, and clear up after it."""
    reports = reports or Reports()
    outcome = run_cell(objective, metric, cell(params, **options), reports.send, load_data)
    clear_worker()
    return outcome, reports

"""Simulated studies in a store: opened, killed, gone on with, and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from tuner.engines.simulated import Curve, Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.search_space.space import SearchSpace
from tuner.store.layout import REPORTS_FOLDER, TRIALS_FILE
from tuner.store.ledger import Ledger
from tuner.store.report import Report
from tuner.store.tables import Recorder
from tuner.study.restore import restore
from tuner.study.study import Study
from tuner.trial.cells import Cell


class Store(Protocol):
    """Where a study is kept, as one process after another finds it."""

    def begin(self) -> Path:
        """The folder, for a process that begins."""
        ...

    def ledger(self) -> BaseStorage:
        """The ledger's storage, opened in that process; it is let go of before `leave`."""
        ...

    def leave(self) -> None:
        """That process has ended, in whatever way: nothing of its memory is left."""
        ...


class Killed(BaseException):
    """Stands for a SIGKILL: nothing after it runs."""


@contextmanager
def ledger_in(store: Store, name: str) -> Iterator[Ledger]:
    """A process's ledger, which lets go of it at its end."""
    store.begin()
    ledger = Ledger(name, "maximize", store.ledger())
    try:
        yield ledger
    finally:
        ledger.disconnect()
        store.leave()


def opened(store: Store, settled: Experiment) -> tuple[Path, Study, VirtualClock]:
    """A study as a process that begins finds it."""
    folder = store.begin()
    clock = VirtualClock()
    ledger = Ledger(settled.name, settled.direction, store.ledger())
    recorder = Recorder(folder, SearchSpace(settled.space), "simulated")
    study = Study(settled, ledger, recorder=recorder, clock=clock)
    restore(study)
    return folder, study, clock


def killed(store: Store, settled: Experiment, curve: Curve, reports: int) -> None:
    """Run a study until so many more reports have come."""
    _, study, clock = opened(store, settled)
    with pytest.raises(Killed, match="killed"):
        run(study, dying(curve, reports), workers=1, clock=clock)
    assert study.recorder.store is not None
    study.recorder.store.abandon()
    study.ledger.disconnect()
    store.leave()


def gone_on_with(store: Store, settled: Experiment, curve: Curve) -> tuple[Path, Study]:
    """Run a study to its end; the folder as the next process finds it."""
    _, study, clock = opened(store, settled)
    run(study, curve, workers=1, clock=clock)
    study.recorder.close(study.records)
    study.ledger.disconnect()
    store.leave()
    return store.begin(), study


def check_tables(folder: Path, study: Study) -> None:
    """The tables say what the study knows: each trial once, each of its epochs once."""
    trials = pd.read_parquet(folder / TRIALS_FILE)
    assert trials["trial"].tolist() == [record.trial for record in study.records]
    assert trials["state"].tolist() == [str(record.state) for record in study.records]
    assert trials["epochs"].tolist() == [record.epochs for record in study.records]
    reports = pd.read_parquet(folder / REPORTS_FOLDER)
    assert not reports.duplicated(["trial", "fold", "epoch"]).any()
    assert len(reports) == trials["epochs"].sum()


def rows(study: Study) -> list[tuple[Any, ...]]:
    """What a study made of each trial."""
    return [(r.trial, r.params, r.state, r.value, r.epochs) for r in study.records]


def report_of(trial: int, epoch: int) -> Report:
    """A report of a trial's first attempt."""
    return Report(
        trial=trial,
        attempt=1,
        fold=0,
        epoch=epoch,
        time_s=float(epoch),
        metrics={"val_accuracy": epoch / 3},
        decision="CONTINUE",
        order=10 * trial + epoch,
        at=0.0,
    )


def told_as(attempt: FrozenTrial) -> tuple[str, bool]:
    return attempt.state.name, any(value > 0 for value in attempt.constraints.values())


def dying(curve: Curve, reports: int, by: type[BaseException] = Killed) -> Curve:
    """The curve, but the whole process dies at the report after so many, of `by`."""
    left = [reports]

    def until(cell: Cell) -> Iterator[Step]:
        for step in curve(cell):
            left[0] -= 1
            if left[0] < 0:
                raise by("killed")
            yield step

    return until

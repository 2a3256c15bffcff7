"""What every place that keeps a study promises, a test each: inherit them, and give a fixture.

    class TestMine(StoreSuite):
        @pytest.fixture
        def store(self, tmp_path: Path) -> Store:
            return MyStore(tmp_path)

A study is kept in two: a folder, which holds the report log and the tables, and the ledger, which
is any storage of Optuna's. A `Store` gives both to one process after another. The studies here are
simulated; a kill is an exception that nothing catches.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.engines.simulated import Curve, Step, VirtualClock, run
from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import REPORTS_FOLDER, TRIALS_FILE
from tuner.store.ledger import Ledger
from tuner.store.report import Report
from tuner.store.reports_table import ReportStore
from tuner.store.tables import Recorder
from tuner.study.restore import restore
from tuner.study.study import Study
from tuner.testing.curves import diverging, rising
from tuner.testing.simulation import simulate, simulated
from tuner.trial.cells import Cell, CellKey, State

SPACE = SearchSpace(
    {
        "rate": Float(1e-12, 1.0, log=True),
        "units": Int(1, 2**53),
        "kind": Categorical(["ä", "", None, True, 1.5]),
    }
)
POINT = {"rate": 0.1 + 0.2, "units": 2**53 - 1, "kind": None}
KINDS: dict[str, dict[str, Any]] = {
    "search": {"scheduler": "asha", "eta": 2, "deterministic": True, "window": 4},
    "cv": {
        "mode": "cv",
        "folds": 2,
        "dataset": "digits",
        "scheduler": "asha_stopping",
        "sampler": "random",
        "deterministic": True,
        "window": 4,
    },
}


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


class StoreSuite:
    """Promises of a store; needs a fixture `store` of a study that nothing has been written of."""

    @pytest.fixture
    def name(self) -> str:
        """A study's name that no other test has."""
        return f"suite-{uuid.uuid4().hex[:12]}"

    def test_what_was_written_is_read_by_the_next_process(self, store: Store, name: str) -> None:
        with ledger_in(store, name) as ledger:
            attempt_id = ledger.open(SPACE, POINT, {"trial": 0, "attempt": 1, "windows": [3]})
            ledger.report(attempt_id, 1, 1 / 3)
            ledger.report(attempt_id, 7, 1e-308)
            ledger.keep_cell(attempt_id, 2, {"state": "COMPLETE", "value": 0.1, "error": None})
            ledger.close(attempt_id, State.COMPLETE, 2 / 3)
        with ledger_in(store, name) as ledger:
            (attempt,) = ledger.attempts()
            assert attempt.params == SPACE.encode(POINT)
            assert attempt.intermediate_values == {1: 1 / 3, 7: 1e-308}
            assert attempt.user_attrs["fold:2"] == {
                "state": "COMPLETE", "value": 0.1, "error": None,
            }  # fmt: skip
            assert attempt.user_attrs["windows"] == [3]
            assert (attempt.state, attempt.value) == (TrialState.COMPLETE, 2 / 3)

    def test_each_end_is_told_as_what_it_is(self, store: Store, name: str) -> None:
        ends = [State.COMPLETE, State.STOPPED, State.DIVERGED, State.FAILED]
        with ledger_in(store, name) as ledger:
            for number, state in enumerate(ends):
                attempt_id = ledger.open(SPACE, POINT, {"trial": number, "attempt": 1})
                ledger.report(attempt_id, 1, 0.5)
                ledger.close(attempt_id, state, 0.5)
        with ledger_in(store, name) as ledger:
            told = [_told(attempt) for attempt in ledger.attempts()]
        assert told == [("COMPLETE", False), ("PRUNED", False), ("PRUNED", True), ("FAIL", False)]

    def test_a_name_that_is_taken_is_refused(self, store: Store, name: str) -> None:
        with ledger_in(store, name):
            pass
        store.begin()
        storage = store.ledger()
        with pytest.raises(StudyError, match=f"holds a study '{name}' already"):
            Ledger(name, "maximize", storage, new=True)
        Ledger(name, "maximize", storage).disconnect()
        store.leave()

    def test_attempts_of_many_threads_are_all_kept_each_once(self, store: Store, name: str) -> None:
        def write(ledger: Ledger, first: int) -> None:
            for number in range(first, first + 5):
                ledger.open(SPACE, POINT, {"trial": number, "attempt": 1})
            ledger.end_thread()

        with ledger_in(store, name) as ledger:
            threads = [threading.Thread(target=write, args=(ledger, 5 * n)) for n in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        with ledger_in(store, name) as ledger:
            attempts = ledger.attempts()
            assert [attempt.number for attempt in attempts] == list(range(15))
            assert {attempt.user_attrs["trial"] for attempt in attempts} == set(range(15))

    @pytest.mark.parametrize("kind", sorted(KINDS))
    @pytest.mark.parametrize("reports", [1, 9])
    def test_a_study_that_was_killed_ends_as_an_undisturbed_one(
        self, store: Store, name: str, kind: str, reports: int
    ) -> None:
        settled = simulated(trials=8, epochs=4, name=name, seed=3, **KINDS[kind])
        curve = diverging(rising, share=0.3, at=2)
        killed(store, settled, curve, reports)
        folder, study = gone_on_with(store, settled, curve)
        assert rows(study) == rows(simulate(settled, curve))
        check_tables(folder, study)

    def test_killed_again_and_again_every_trial_ends_once(self, store: Store, name: str) -> None:
        settled = simulated(trials=8, epochs=4, name=name, scheduler="asha", eta=2)
        for _ in range(4):
            killed(store, settled, rising, 5)
        folder, study = gone_on_with(store, settled, rising)
        assert study.counts()[State.RUNNING] == 0
        check_tables(folder, study)

    def test_what_the_log_and_what_the_table_alone_has_is_one(self, store: Store) -> None:
        folder = store.begin()
        kept = ReportStore(folder)
        for trial in (0, 1):
            for epoch in (1, 2, 3):
                kept.append(report_of(trial, epoch))
        kept.finish(CellKey(0, 0))
        kept.write()
        log = (folder / "reports.log").read_bytes()
        for epoch in (1, 2):
            kept.append(report_of(2, epoch))
        kept.abandon()
        (folder / "reports.log").write_bytes(log)  # a power cut took what was added last
        store.leave()
        folder = store.begin()
        again = ReportStore(folder)
        found = sorted((row.trial, row.epoch) for row in again.reports())
        again.close()
        assert found == [(trial, epoch) for trial in (0, 1) for epoch in (1, 2, 3)]
        store.leave()

    def test_a_metric_that_comes_late_is_a_column_of_all(self, store: Store) -> None:
        folder = store.begin()
        kept = ReportStore(folder)
        kept.append(report_of(0, 1))
        late = report_of(1, 1)
        kept.append(replace(late, metrics={**late.metrics, "val_f1": 0.25}))
        for trial in (0, 1):
            kept.finish(CellKey(trial, 0))
        kept.close()
        store.leave()
        folder = store.begin()
        table = pd.read_parquet(folder / REPORTS_FOLDER).sort_values("trial")
        assert table["val_f1"].isna().tolist() == [True, False]
        store.leave()


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
        run(study, _dying(curve, reports), workers=1, clock=clock)
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


def _told(attempt: FrozenTrial) -> tuple[str, bool]:
    return attempt.state.name, any(value > 0 for value in attempt.constraints.values())


def _dying(curve: Curve, reports: int) -> Curve:
    left = [reports]

    def until(cell: Cell) -> Iterator[Step]:
        for step in curve(cell):
            left[0] -= 1
            if left[0] < 0:
                raise Killed("killed")
            yield step

    return until

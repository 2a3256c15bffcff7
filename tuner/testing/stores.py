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
import warnings
from dataclasses import replace
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from tuner.errors import StudyError
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import REPORTS_FOLDER
from tuner.store.ledger import Ledger
from tuner.store.reports_table import ReportStore
from tuner.testing.curves import diverging, rising
from tuner.testing.kept_studies import (
    Killed,
    Store,
    check_tables,
    gone_on_with,
    killed,
    ledger_in,
    report_of,
    rows,
    told_as,
)
from tuner.testing.simulation import simulate, simulated
from tuner.trial.cells import CellKey, State

__all__ = ["Store", "StoreSuite"]

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


def _die(*_: Any, **__: Any) -> None:
    raise Killed("amid the end")


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
            told = [told_as(attempt) for attempt in ledger.attempts()]
        assert told == [("COMPLETE", False), ("PRUNED", False), ("PRUNED", True), ("FAIL", False)]

    def test_an_end_that_a_kill_cut_short_is_told_in_silence(self, store: Store, name: str) -> None:
        with ledger_in(store, name) as ledger, pytest.MonkeyPatch.context() as patch:
            attempt_id = ledger.open(SPACE, POINT, {"trial": 0, "attempt": 1})
            patch.setattr(optuna.Study, "tell", _die)
            with pytest.raises(Killed, match="amid the end"):
                ledger.close(attempt_id, State.DIVERGED, None)
        with ledger_in(store, name) as ledger, warnings.catch_warnings():
            warnings.simplefilter("error")
            ledger.close(attempt_id, State.DIVERGED, None)
            assert [told_as(attempt) for attempt in ledger.attempts()] == [("PRUNED", True)]

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

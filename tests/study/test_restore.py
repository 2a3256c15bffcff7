"""A study killed at any moment goes on as if it had not been: nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from tests.brain import abandon, experiment, half_diverging, never, open_study, rising, simulate
from tuner.engines.simulated import Curve, Step, VirtualClock, run
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.runner.lost_reports import lost_reports
from tuner.search_space.axes import Categorical, Float
from tuner.store.layout import JOURNAL_FILE, REPORT_LOG_FILE, REPORTS_FOLDER, TRIALS_FILE
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.report import Report
from tuner.store.reports_table import ReportStore
from tuner.study.study import Study
from tuner.testing.kept_studies import Killed, dying
from tuner.trial.cells import Cell, State


def run_killed(settled: Experiment, curve: Curve, steps: int, folder: Path, workers: int) -> Study:
    """Run until the kill; what the process held in memory is gone, its files stay as they are."""
    clock = VirtualClock()
    study = open_study(settled, folder, clock)
    with pytest.raises(Killed, match="killed"):
        run(study, dying(curve, steps), workers=workers, clock=clock)
    abandon(study)
    return study


def table(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / TRIALS_FILE)
    return frame.drop(columns=["started_at", "duration_s", "attempt"])


def reports(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / REPORTS_FOLDER)
    return frame.sort_values(["trial", "fold", "epoch"], ignore_index=True)


def _most_of_it(metrics: Mapping[str, float]) -> list[float]:
    return [0.4 - metrics["val_accuracy"]]


DECLARED = KerasModel(build=never, optimizer=never)
DISCRETE = {"x": Categorical([0.1, 0.4, 0.8]), "b": Categorical([1, 2]), "epochs": 9}


@pytest.mark.parametrize("steps", [1, 7, 23])
@pytest.mark.parametrize(
    "fields",
    [
        {"scheduler": "none", "sampler": "tpe"},
        {"deterministic": True, "window": 4, "trials": 20, "eta": 2},
        {"deterministic": True, "window": 4, "trials": 20, "scheduler": "asha_stopping"},
        {"deterministic": True, "window": 3, "trials": 20, "eta": 2, "space": DISCRETE},
        {"mode": "cv", "space": {"x": Float(0, 1, grid=[0.1, 0.4, 0.8]), "epochs": 5}},
        {
            "metric": ["val_accuracy", "loss"],
            "direction": ["maximize", "minimize"],
            "constraints": _most_of_it,
            "deterministic": True,
            "window": 4,
            "trials": 20,
            "eta": 2,
        },
        {
            "mode": "cv",
            "sampler": "random",
            "scheduler": "asha",
            "eta": 2,
            "deterministic": True,
            "window": 4,
        },
        {
            "mode": "cv",
            "space": {"x": Float(0, 1, grid=[0.4, 0.3, 0.1, 0.2]), "epochs": 5},
            "fold_racing": "aggressive",
        },
        {"scheduler": "pbt", "sampler": "random", "interval": 2, "objective": DECLARED},
    ],
    ids=[
        "sequential",
        "promotion",
        "stopping",
        "duplicates",
        "cv",
        "goals",
        "cv promotion",
        "racing",
        "population",
    ],
)
def test_a_killed_study_ends_as_an_undisturbed_one(
    tmp_path: Path, fields: dict[str, Any], steps: int
) -> None:
    if fields.get("space") is DISCRETE:
        steps = min(steps, 9)  # it has six points, and ends before
    settled = experiment(seed=11, **fields)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    killed.mkdir()
    simulate(settled, half_diverging, folder=calm)
    run_killed(settled, half_diverging, steps, killed, workers=1)
    simulate(settled, half_diverging, folder=killed)
    pd.testing.assert_frame_equal(table(killed), table(calm))
    frame = reports(killed)
    assert not frame.duplicated(["trial", "fold", "epoch"]).any()
    pd.testing.assert_frame_equal(
        frame.drop(columns=["order", "time_s", "at"]),
        reports(calm).drop(columns=["order", "time_s", "at"]),
    )


@pytest.mark.parametrize("deterministic", [True, False])
def test_paused_trials_read_stopped_after_a_time_limit_and_a_resume_takes_them_up(
    tmp_path: Path, deterministic: bool
) -> None:
    fields = {"deterministic": deterministic, "window": 4, "trials": 20, "eta": 2, "seed": 3}
    calm, limited = tmp_path / "calm", tmp_path / "limited"
    calm.mkdir()
    limited.mkdir()
    simulate(experiment(**fields), rising, folder=calm)
    first = simulate(experiment(**fields, time_limit=12.0), rising, folder=limited)
    ended = table(limited)
    assert (ended["state"] == "STOPPED").sum() >= 3
    assert (ended["state"] == "RUNNING").sum() <= 4  # those of the window that it was in
    stopped = ended[ended["state"] == "STOPPED"]
    assert (stopped["epochs"] == stopped["rung"]).all()
    assert stopped["value"].notna().all()
    rows = reports(limited).groupby("trial").size()
    assert rows[stopped["trial"]].tolist() == stopped["epochs"].tolist()
    assert first.best() is not None
    simulate(experiment(**fields), rising, folder=limited)
    pd.testing.assert_frame_equal(table(limited), table(calm))
    promoted = table(limited).set_index("trial")["epochs"][stopped["trial"]].to_numpy()
    assert (promoted > stopped["epochs"]).any()
    kept = ["trial", "fold", "epoch", "val_accuracy", "decision", "rung", "why"]
    pd.testing.assert_frame_equal(reports(limited)[kept], reports(calm)[kept])


def test_killed_again_and_again_with_many_workers_every_trial_ends_once(tmp_path: Path) -> None:
    settled = experiment(seed=2, trials=20, eta=2)
    for steps in (5, 9, 17):
        run_killed(settled, rising, steps, tmp_path, workers=4)
    study = simulate(settled, rising, folder=tmp_path, workers=4)
    assert [record.trial for record in study.records] == list(range(20))
    assert study.counts()[State.RUNNING] == 0
    assert not reports(tmp_path).duplicated(["trial", "fold", "epoch"]).any()
    running = optuna.trial.TrialState.RUNNING
    assert all(attempt.state is not running for attempt in study.ledger.attempts())


def test_reports_and_states_of_finished_trials_stand(tmp_path: Path) -> None:
    settled = experiment(seed=4, trials=12, scheduler="none")
    before = run_killed(settled, rising, 30, tmp_path, workers=2)
    done = [record.trial for record in before.records if record.state is State.COMPLETE]
    old = {t: [r for r in _log(tmp_path) if r.trial == t] for t in done}
    after = simulate(settled, rising, folder=tmp_path, workers=2)
    assert done
    for trial in done:
        assert after.records[trial].attempt == 1
        rows = reports(tmp_path).query("trial == @trial")
        assert rows["order"].tolist() == [report.order for report in old[trial]]


def _log(folder: Path) -> list[Report]:
    store = ReportStore(folder)
    try:
        return list(store.reports())
    finally:
        store.close()


def test_a_failed_trial_is_run_again_and_only_that(tmp_path: Path) -> None:
    def bad(cell: Cell) -> Iterator[Step]:
        if cell.params["a"] == 2:
            raise ValueError("bad")
        yield Step(1, {"val_accuracy": 0.5})

    def good(cell: Cell) -> Iterator[Step]:
        assert cell.params["a"] == 2
        yield Step(1, {"val_accuracy": 0.9})

    settled = experiment(space={"a": Categorical([1, 2, 3])}, mode="grid", retries=1)
    study = simulate(settled, bad, folder=tmp_path)
    assert study.counts() == {State.COMPLETE: 2, State.FAILED: 1}
    assert study.records[1].attempt == 2
    study = simulate(settled, good, folder=tmp_path)
    assert study.counts() == {State.COMPLETE: 3}
    assert study.records[1].attempt == 3
    assert len(reports(tmp_path)) == 3


def test_points_that_always_fail_are_all_run_again_and_end_the_resumed_run(tmp_path: Path) -> None:
    def bad(cell: Cell) -> Iterator[Step]:
        if cell.params["a"] > 1:
            raise ValueError("bad")
        yield Step(1, {"val_accuracy": 0.5})

    settled = experiment(space={"a": Categorical([1, 2, 3, 4, 5, 6])}, mode="grid", retries=0)
    simulate(settled, bad, folder=tmp_path)
    study = simulate(settled, bad, folder=tmp_path)
    assert study.abort is None
    assert study.counts() == {State.COMPLETE: 1, State.FAILED: 5}
    assert [record.attempt for record in study.records] == [1, 2, 2, 2, 2, 2]


def test_more_trials_enlarge_a_finished_study(tmp_path: Path) -> None:
    simulate(experiment(trials=5, scheduler="none"), folder=tmp_path)
    study = simulate(experiment(trials=8, scheduler="none"), folder=tmp_path)
    assert len(study.records) == 8
    calm = simulate(experiment(trials=8, scheduler="none"))
    assert [r.params for r in study.records] == [r.params for r in calm.records]


@pytest.mark.parametrize("name", [JOURNAL_FILE, REPORT_LOG_FILE])
def test_an_unterminated_last_line_is_cut(tmp_path: Path, name: str) -> None:
    settled = experiment(trials=3, scheduler="none")
    simulate(settled, folder=tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b'{"op_code": 4, "half a li')
    study = simulate(experiment(trials=5, scheduler="none"), folder=tmp_path)
    assert study.counts() == {State.COMPLETE: 5}
    ledger = Ledger("brain", "maximize", journal_storage(tmp_path))
    assert len(ledger.attempts()) == 5
    ledger.disconnect()


def test_full_parts_stay_and_the_log_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.store.reports_table.ROWS_A_PART", 20)
    settled = experiment(trials=12, scheduler="none")
    study = open_study(settled, tmp_path, clock := VirtualClock())
    study.on_change = lambda record: study.recorder.write(study.records, now=True)
    run(study, rising, workers=2, clock=clock)
    study.recorder.close(study.records)
    study.ledger.disconnect()
    parts = sorted((tmp_path / REPORTS_FOLDER).glob("part-*.parquet"))
    assert len(parts) > 3
    calm = tmp_path / "calm"
    calm.mkdir()
    simulate(settled, folder=calm, workers=2)
    pd.testing.assert_frame_equal(reports(tmp_path), reports(calm))
    again = simulate(experiment(trials=14, scheduler="none"), folder=tmp_path)
    assert again.counts() == {State.COMPLETE: 14}
    assert set(reports(tmp_path)["trial"]) == set(range(14))


def test_a_metric_that_comes_late_is_a_column_of_every_part(tmp_path: Path) -> None:
    def late(cell: Cell) -> Iterator[Step]:
        extra = {"f1": 0.3} if cell.trial == 2 else {}
        yield Step(1, {"val_accuracy": 0.5, **extra})

    empty = ReportStore(tmp_path)
    assert len(pd.read_parquet(tmp_path / REPORTS_FOLDER)) == 0
    empty.close()
    simulate(experiment(trials=3), late, folder=tmp_path)
    frame = reports(tmp_path)
    assert frame["f1"].tolist()[2] == 0.3
    assert frame["f1"].isna().sum() == 2


def test_no_report_is_called_lost_that_is_there(tmp_path: Path) -> None:
    settled = experiment(trials=6, seed=3)
    simulate(settled, folder=tmp_path)
    study = open_study(settled, tmp_path)
    store = study.recorder.store
    assert store is not None
    assert lost_reports(study.records, store) == []
    assert set(store.last_epochs().values()) == {record.epochs for record in study.records}
    abandon(study)


def test_racing_goes_on_with_the_folds_in_their_order(tmp_path: Path) -> None:
    """The most typical fold comes first, and so it does for a trial that goes on after a kill."""
    hard = {0: 0.3, 1: 0.0, 2: 0.1, 3: 0.05}

    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": 0.5 + cell.params["x"] / 10 - hard[cell.fold]})

    settled = experiment(
        space={"x": Categorical([0.1, 0.4, 0.8])}, mode="cv", folds=4, fold_racing="aggressive"
    )
    whole = [list(record.cells) for record in simulate(settled, curve).records]
    assert whole == [[0, 1, 2, 3], [2, 3, 1, 0], [2, 3, 1, 0]]
    for steps in (4, 5, 6, 10):
        folder = tmp_path / str(steps)
        folder.mkdir()
        run_killed(settled, curve, steps, folder, workers=1)
        resumed = simulate(settled, curve, folder=folder)
        assert [list(record.cells) for record in resumed.records] == whole

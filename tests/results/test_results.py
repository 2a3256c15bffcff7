"""Study folders: names, study.json, a database as the ledger, and results as users load them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import optuna
import pandas as pd
import pytest

from tests.brain import experiment, open_study, rising, simulate
from tuner.engines.simulated import VirtualClock, run
from tuner.errors import ResultsError, StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.results.results import Results, load
from tuner.search_space.axes import Categorical, Float
from tuner.store.folder import existing_study_path, new_study_path, study_path
from tuner.store.ledger import Ledger, shown_url, url_storage
from tuner.store.resume_checks import resumed, resumed_storage
from tuner.store.study_json import StudyFile, describe
from tuner.study.record import Record
from tuner.study.restore import restore
from tuner.study.study import Study

SPACE = {
    "kind": Categorical(["a", "b", None, True]),
    "x": Float(0.0, 1.0, when={"kind": "a"}),
    "epochs": 3,
}


def finished(path: Path, **fields: object) -> Results:
    path.mkdir(parents=True)
    settled = experiment(**fields)
    simulate(settled, lambda cell: rising(_with_x(cell)), folder=path)
    loaded = Loaded(settled, Source("object", "tests"))
    describe(loaded, settled, None, name=path.name).write(path)
    return load(path)


def _with_x(cell):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(cell, params={"x": 0.1, **cell.params})


def test_results_give_the_tables_the_best_trial_and_its_parameters(tmp_path: Path) -> None:
    results = finished(tmp_path / "s", space=SPACE, scheduler="none", trials=20, seed=1)
    complete = results.trials[results.trials["state"] == "COMPLETE"]
    assert results.best is not None
    assert results.best.value == complete["value"].max()
    for trial in results.trials["trial"]:
        params = results.params(trial)
        assert ("x" in params) == (params["kind"] == "a")
        assert any(params["kind"] is choice or params["kind"] == choice for choice in "ab") or (
            params["kind"] in (None, True)
        )
        assert params["epochs"] == 3
    assert results.best_params == results.params(results.best.trial)


def test_the_best_of_a_minimised_metric_is_its_least(tmp_path: Path) -> None:
    results = finished(tmp_path / "s", direction="minimize", scheduler="none")
    assert results.best is not None
    assert results.best.value == results.trials["value"].min()


@pytest.mark.parametrize("name", ["../up", "/abs", "a/b", "", ".", "-x", "a\0b", "x" * 101])
def test_a_name_cannot_leave_the_results_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match="may hold letters, digits"):
        study_path(tmp_path, name)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "study")
    with pytest.raises(StudyError, match="is a symbolic link"):
        study_path(tmp_path, "study")


def test_new_studies_take_the_first_free_name_and_resume_takes_the_newest(tmp_path: Path) -> None:
    assert new_study_path(tmp_path, "e", None).name == "e"
    kept = describe(Loaded(experiment(), Source("object", "tests")), experiment(), None, name="e")
    for name, created in [("e", "2026-01-03"), ("e-2", "2026-01-01"), ("e-4", "2026-01-02")]:
        (tmp_path / name).mkdir()
        kept.model_copy(update={"created_at": created}).write(tmp_path / name)
    assert new_study_path(tmp_path, "e", None).name == "e-3"
    assert existing_study_path(tmp_path, "e", None).name == "e"
    assert existing_study_path(tmp_path, "e", "e-4").name == "e-4"
    with pytest.raises(StudyError, match="study 'e-2' exists"):
        new_study_path(tmp_path, "e", "e-2")
    with pytest.raises(StudyError, match=r"no study of 'f' in .* it holds: e, e-2, e-4"):
        existing_study_path(tmp_path, "f", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a study folder"),
        ("{", "cannot be read"),
        ("[]", "has format None"),
        ('{"format": true}', "has format True, and should have a number from 1"),
        (json.dumps({"format": 3}), "experiment is missing; the file is not whole"),
        (
            json.dumps({"format": 99}),
            r"is missing; .* \(its format 99 is later than 3, this tuner's\)",
        ),
    ],
)
def test_a_broken_study_json_is_said_in_a_line(
    tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "study.json").write_text(text)
    with pytest.raises(ResultsError, match=message):
        StudyFile.read(tmp_path)


def test_a_broken_table_is_said_in_a_line(tmp_path: Path) -> None:
    results = finished(tmp_path / "s", trials=2)
    (results.path / "trials.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ResultsError, match=r"trials\.parquet cannot be read"):
        load(results.path)


def test_a_database_can_be_the_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    for trials in (4, 7):
        clock = VirtualClock()
        settled = experiment(trials=trials, scheduler="none")
        study = Study(settled, Ledger("mine", "maximize", url_storage(url)), clock=clock)
        restore(study)
        run(study, rising, workers=2, clock=clock)
    assert len(optuna.load_study(study_name="mine", storage=url).trials) == 7
    with pytest.raises(StudyError, match="holds a study 'mine' already"):
        Ledger("mine", "maximize", url_storage(url), new=True)


def test_a_storages_password_is_shown_nowhere() -> None:
    url = "postgresql://me:secret@localhost/studies"
    assert shown_url(url) == "postgresql://me:***@localhost/studies"
    with pytest.raises(StudyError, match=r"storage: it is not a database URL") as refused:
        shown_url("no:such:secret")
    assert "secret" not in str(refused.value)
    content = shown_url(url)
    assert resumed_storage(content, url) == url
    with pytest.raises(StudyError, match=r"storage: the .* is postgresql.*; give its password too"):
        resumed_storage(content, None)
    with pytest.raises(StudyError, match=r"the study's ledger is postgresql://me:\*\*\*@"):
        resumed_storage(content, "sqlite:///x.db")


def test_resume_takes_everything_from_study_json_but_what_is_free() -> None:
    settled = experiment(sampler="random", seed=9, eta=4)
    declared = experiment()
    loaded = Loaded(declared, Source("object", "tests"))
    content = describe(Loaded(declared, loaded.source), settled, None, name="brain")
    again = resumed(loaded, content, {"trials": 99, "concurrency": 3, "seed": 9})
    assert (again.sampler, again.seed, again.eta) == ("random", 9, 4)
    assert (again.trials, again.concurrency) == (99, 3)
    for change in ({"seed": 1}, {"eta": 3}, {"mode": "grid"}, {"metric": "loss"}):
        with pytest.raises(StudyError, match=f"{next(iter(change))}: a resumed study cannot"):
            resumed(loaded, content, change)


def test_the_tables_can_be_read_from_the_start(tmp_path: Path) -> None:
    study = open_study(experiment(), tmp_path)
    study.recorder.close(study.records)
    loaded = Loaded(study.experiment, Source("object", "tests"))
    describe(loaded, study.experiment, None, name="s").write(tmp_path)
    results = load(tmp_path)
    assert results.trials.empty
    assert results.reports.empty
    assert results.best is None
    assert results.best_params == {}


def test_a_trial_begins_when_its_work_does_and_resuming_does_not_move_it(tmp_path: Path) -> None:
    settled = experiment(mode="grid", space={"x": Float(0, 1, grid=[0.1, 0.2, 0.3]), "epochs": 4})
    simulate(settled, workers=1, folder=tmp_path)
    trials = pd.read_parquet(tmp_path / "trials.parquet")
    begun = (trials["started_at"] - trials["started_at"].min()).dt.total_seconds()
    assert begun.tolist() == [0.0, 4.0, 8.0]  # one after another, of four virtual seconds each
    again = open_study(settled, tmp_path)
    again.recorder.close(again.records)
    assert pd.read_parquet(tmp_path / "trials.parquet")["started_at"].equals(trials["started_at"])


def test_no_trial_seems_to_have_ended_without_its_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written when: a killed run's tables hold whole trials."""
    ticks = iter(range(1 << 20))
    monkeypatch.setattr("time.monotonic", lambda: 0.9 * next(ticks))
    clock = VirtualClock()
    study = open_study(experiment(scheduler="none", trials=40), tmp_path, clock)
    seen = []

    def look(record: Record) -> None:
        trials = pd.read_parquet(tmp_path / "trials.parquet").set_index("trial")
        rows = pd.read_parquet(tmp_path / "reports.parquet").groupby("trial").size()
        ended = trials[trials["state"] == "COMPLETE"]["epochs"]
        assert rows.reindex(ended.index, fill_value=0).tolist() == ended.tolist()
        seen.append(len(ended))

    study.save()
    study.on_change = look
    run(study, rising, workers=3, clock=clock)
    study.recorder.close(study.records)
    assert len(set(seen)) > 3


def test_a_table_without_its_states_has_no_best_in_a_line(study: Path) -> None:
    table = study / "trials.parquet"
    pd.read_parquet(table).drop(columns="state").to_parquet(table)
    results = load(study)
    with pytest.raises(ResultsError, match="is damaged: KeyError 'state'"):
        _ = results.best

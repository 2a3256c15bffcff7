"""Optuna's dashboard: what it is given to show, and the lines where it can't."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
import pytest

from tests.brain import experiment, simulate
from tuner.cli.app import run_command
from tuner.engines.simulated import Step
from tuner.errors import StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.runner.dashboard import watched_storage
from tuner.search_space.axes import Float
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.study_json import StudyFile, describe


@pytest.fixture
def study_dir(tmp_path: Path) -> Path:
    settled = experiment(space={"x": Float(0, 1)}, scheduler="none", trials=3)
    folder = tmp_path / "searched"
    folder.mkdir()
    loaded = Loaded(settled, Source("object", "tests"))
    describe(loaded, settled, None, name="searched").write(folder)
    simulate(settled, lambda cell: [Step(1, {"val_accuracy": cell.params["x"]})], folder=folder)
    return folder


def test_the_ledger_is_shown_and_cannot_be_written(study_dir: Path) -> None:
    before = (study_dir / "journal.log").read_bytes()
    storage = watched_storage(study_dir, None)
    name = optuna.get_all_study_names(storage)[0]
    study = optuna.load_study(study_name=name, storage=storage)
    assert len(study.trials) == 3
    with pytest.raises(StudyError, match="only shows a study"):
        study.ask()
    assert (study_dir / "journal.log").read_bytes() == before


def test_without_the_extra_one_line_says_how_to_get_it(
    study_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tuner.runner.dashboard.find_spec", lambda name: None)
    assert run_command(["dashboard", str(study_dir)]) == 2
    assert capsys.readouterr().err == (
        "tuner: the dashboard needs optuna-dashboard: pip install 'tuner[dashboard]'\n"
    )
    assert "optuna_dashboard" not in sys.modules


def test_a_folder_without_a_ledger_is_refused(study_dir: Path) -> None:
    (study_dir / "journal.log").unlink()
    with pytest.raises(StudyError, match=r"journal\.log is missing"):
        watched_storage(study_dir, None)


def test_a_database_is_shown_as_it_is(study_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    kept = StudyFile.read(study_dir)
    kept.model_copy(update={"storage": f"sqlite:///{file}"}).write(study_dir)
    with pytest.raises(StudyError, match=r"ledger, sqlite:.*other\.db, is missing"):
        watched_storage(study_dir, None)
    assert not file.exists()


def test_the_ledger_names_its_metric_and_its_direction(tmp_path: Path) -> None:
    for _ in range(2):  # a resume says the same
        ledger = Ledger("mine", "minimize", journal_storage(tmp_path), metric="val_loss")
        ledger.disconnect()
    study = optuna.load_study(study_name="mine", storage=journal_storage(tmp_path))
    assert study.metric_names == ["val_loss"]
    assert study.direction.name == "MINIMIZE"

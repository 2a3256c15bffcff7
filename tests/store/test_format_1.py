"""A study that version 0.1.0 left, in format 1, is shown, loaded, reported and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tuner
from tuner.cli.app import run_command
from tuner.store.layout import FORMAT

KEPT = Path(__file__).parents[1] / "data" / "study_v1"
OLD = """
from tuner import Categorical, Experiment, Float, Int


def train(trial):
    top = 1.0 - (trial["x"] - 0.3) ** 2 - (0.2 if trial["kind"] == "b" else 0.0)
    for epoch in range(1, trial.epochs + 1):
        trial.report(epoch, {"val_accuracy": top * (1.0 - 0.5**epoch), "loss": 1.0 / epoch})


SPACE = {"x": Float(0.0, 1.0), "kind": Categorical(["a", "b"]), "epochs": Int(1, 3)}
EXPERIMENT = Experiment("old", SPACE, train, dataset=None, trials=5, seed=1)
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study, copied to results/study_v1 of an empty working folder that holds old.py."""
    (tmp_path / "old.py").write_text(OLD)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(KEPT, tmp_path / "results" / "study_v1"))


def test_it_is_shown_loaded_and_reported(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (study / "study.json").read_bytes()
    assert run_command(["show", str(study)]) == 0
    out = capsys.readouterr().out
    assert "search by tpe + asha_stopping, maximize val_accuracy" in out
    assert "1 COMPLETE" in out
    assert "4 STOPPED" in out
    results = tuner.load(study)
    assert results.study.experiment.mode == "search"
    assert len(results.trials) == 5
    assert set(results.best_params) == {"x", "kind", "epochs"}
    assert run_command(["report", str(study)]) == 0
    assert (study / "report.html").is_file()
    assert (study / "study.json").read_bytes() == before


def test_it_is_gone_on_with_in_todays_format(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tuner.load(study).trials.set_index("trial")
    resume = ["run", "old.py", "--study", "study_v1", "--resume", "--trials", "6", "--quiet"]
    assert run_command([*resume, "--concurrency", "1"]) == 0, capsys.readouterr().err
    results = tuner.load(study)
    assert (
        results.study.format == FORMAT == json.loads((study / "study.json").read_text())["format"]
    )
    assert len(results.trials) == 6
    for name in ("state", "value", "param_x", "epochs"):
        assert list(results.trials.set_index("trial")[name][:5]) == list(kept[name])

"""study.json as a record: what is kept, what may be missing, and who may do what with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.brain import SPACE, experiment, never
from tuner.cli.app import run_command
from tuner.errors import ExperimentError, ResultsError, StudyError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.options import options_of
from tuner.runner.repair import repair
from tuner.schedulers.asha_stopping import AshaStopping
from tuner.search_space.axes import Float
from tuner.store.layout import FORMAT
from tuner.store.resume_checks import resumed
from tuner.store.study_json import StudyFile, describe

POPULATION = {"scheduler": "pbt", "objective": KerasModel(build=never, optimizer=never)}
LATER = {"format": FORMAT + 1, "colour": "red"}


def change(study: Path, **fields: Any) -> None:
    content = json.loads((study / "study.json").read_text())
    (study / "study.json").write_text(json.dumps({**content, **fields}))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    loaded = Loaded(experiment(), Source("file", "/nowhere/mine.py"))
    points = [{"x": 0.5}]
    kept = describe(loaded, experiment(scheduler="asha"), None, name="mine", enqueued=points)
    kept.write(tmp_path)
    assert StudyFile.read(tmp_path) == kept
    assert (kept.scheduler.has_rungs, kept.scheduler.pauses) == (True, True)
    assert kept.source.where == "/nowhere/mine.py"
    assert set(kept.experiment.options()) == {one.name for one, _ in options_of(Experiment)}


def test_an_unknown_field_is_kept_and_ignored(study: Path) -> None:
    options = StudyFile.read(study).experiment.model_dump()
    change(study, colour="red", experiment={**options, "taste": 3})
    kept = StudyFile.read(study)
    kept.write(study)
    again = json.loads((study / "study.json").read_text())
    assert (again["colour"], again["experiment"]["taste"]) == ("red", 3)
    assert "taste" not in kept.experiment.options()


def test_a_missing_option_has_its_default(study: Path) -> None:
    options = StudyFile.read(study).experiment.model_dump()
    change(study, experiment={n: v for n, v in options.items() if n not in ("eta", "fit")})
    kept = StudyFile.read(study)
    assert (kept.experiment.eta, kept.experiment.options()["fit"]) == (3, "auto")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"experiment": {"name": "x"}}, r"study\.json: experiment\.metric is missing; the file is"),
        ({"experiment": 3}, r"study\.json: experiment is 3, and should be a valid dictionary"),
        ({"source": {"kind": "file"}}, r"study\.json: source\.where is missing"),
        ({"space": [1]}, r"study\.json: space is \[1\], and should be a valid dictionary"),
        ({"name": ""}, r"study\.json: name is '', and .*at least 1 character"),
        ({**LATER, "space": None}, r"space is None, and .* \(its format 4 is later than 3"),
    ],
)
def test_a_broken_field_is_named(study: Path, fields: dict[str, Any], message: str) -> None:
    change(study, **fields)
    with pytest.raises(ResultsError, match=message):
        StudyFile.read(study)


def test_a_number_is_never_read_out_of_a_text(study: Path) -> None:
    options = StudyFile.read(study).experiment.model_dump()
    change(study, experiment={**options, "eta": "3"})
    with pytest.raises(ResultsError, match=r"experiment\.eta is '3', and should be a valid int"):
        StudyFile.read(study)


def test_a_study_of_a_later_version_is_looked_at_and_not_gone_on_with(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(study, **LATER)
    before = (study / "study.json").read_bytes()
    assert run_command(["show", str(study)]) == 0
    assert run_command(["report", str(study)]) == 0
    assert len(tuner.load(study).trials) > 0
    refused = r"has format 4, and this tuner writes format 3: it can show, load and report"
    with pytest.raises(ResultsError, match=refused):
        repair(study)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    capsys.readouterr()
    resume = ["run", "mine.py", "--results", ".", "--study", study.name, "--resume", "--quiet"]
    assert run_command(resume) == 2
    assert "has format 4, and this tuner writes format 3" in capsys.readouterr().err
    assert (study / "study.json").read_bytes() == before


def test_the_code_that_a_study_names_is_data(study: Path, tmp_path: Path) -> None:
    """Only run, refit and export execute it."""
    (tmp_path / "theirs.py").write_text("raise SystemExit('it was run')\n")
    change(study, source={"kind": "file", "where": str(tmp_path / "theirs.py")})
    for command in (["show"], ["show", "0"], ["report"], ["repair"]):
        assert run_command([command[0], str(study), *command[1:]]) == 0
    assert tuner.load(study).study.source == Source("file", str(tmp_path / "theirs.py"))


def test_a_resumed_study_keeps_the_points_that_it_tried_first() -> None:
    declared = experiment(first=[{"x": 0.25}])
    loaded = Loaded(declared, Source("object", "tests"))
    kept = describe(loaded, declared, None, name="s", enqueued=[{"x": 0.25}, {"x": 0.5}])
    assert resumed(loaded, kept, {}).first == declared.first
    assert resumed(loaded, kept, {"first": [{"x": 0.25}]}).first == declared.first
    with pytest.raises(StudyError, match=r"first: a resumed study cannot change it .* began"):
        resumed(loaded, kept, {"first": [{"x": 0.75}]})


def test_a_direction_that_was_told_from_the_name_may_be_told_again() -> None:
    declared = experiment()
    loaded = Loaded(declared, Source("object", "tests"))
    kept = describe(loaded, declared, None, name="s")
    assert resumed(loaded, kept, {"direction": "auto"}).direction == "maximize"
    with pytest.raises(StudyError, match="direction: a resumed study cannot change it from 'maxi"):
        resumed(loaded, kept, {"direction": "minimize"})


@pytest.mark.parametrize(
    ("fields", "change", "message"),
    [
        ({"mode": "grid", "space": {"x": Float(0, 1, grid=[0.5])}}, {"stop": "converged"}, "grid"),
        ({"metric": ["val_accuracy", "loss"]}, {"stop": "converged"}, "knows the gain of one"),
        (POPULATION, {"stop": "converged"}, "'pbt' ends when its members have"),
        (POPULATION, {"confirm": 2}, "'pbt' gives a schedule of parameters"),
    ],
)
def test_a_resumed_study_may_not_end_as_a_new_one_may_not(
    fields: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    loaded, kept = begun(**fields)
    with pytest.raises(ExperimentError, match=message):
        resumed(loaded, kept, change)


def test_a_resumed_study_keeps_the_weights_of_those_that_it_is_to_confirm() -> None:
    loaded, kept = begun()
    assert resumed(loaded, kept, {"confirm": 3}).keep_models == 3


def begun(**fields: Any) -> tuple[Loaded, StudyFile]:
    declared = Experiment(**{"name": "brain", "space": SPACE, "objective": never, **fields})
    loaded = Loaded(declared, Source("object", "tests"))
    return loaded, describe(loaded, settle(declared, fields), None, name="s")


def test_an_object_is_known_again_by_what_it_says_of_itself() -> None:
    class Rule(AshaStopping):
        """It has the repr of every object, which says where it lies."""

        __repr__ = object.__repr__

    settled = experiment(scheduler=Rule())
    loaded = Loaded(settled, Source("object", "tests"))
    kept = describe(loaded, settled, None, name="brain")
    assert kept.experiment.scheduler.endswith("Rule")
    again = Loaded(experiment(scheduler=Rule()), Source("object", "tests"))
    assert resumed(again, kept, {}).scheduler is again.experiment.scheduler


MINE = """
from tuner import Experiment


def train(trial):
    raise AssertionError("nothing is trained")


EXPERIMENT = Experiment("whole", {"x": 1}, train, dataset=None)
"""

"""Names for samplers, schedulers and engines: ours, installed packages', and module:factory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.brain import experiment, simulate
from tests.plugged import install
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import scheduler_of
from tuner.registry import Registry
from tuner.schedulers.asha_stopping import AshaStopping
from tuner.store.resume_checks import resumed
from tuner.store.study_json import describe
from tuner.trial.cells import State

OURS = {"asha_stopping": "tuner.schedulers.asha_stopping:AshaStopping"}
ENTRY_POINTS = """
[tuner.schedulers]
first_half = plugged_rules:FirstHalf
broken = plugged_broken:Rule
lost = plugged_rules:Nothing
asha_stopping = plugged_rules:FirstHalf
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """With an installed package that adds names, one of them ours."""
    (tmp_path / "plugged_rules.py").write_text("class FirstHalf:\n    pass\n")
    install(tmp_path, ENTRY_POINTS, monkeypatch)
    return Registry("scheduler", {**OURS, "own": OURS["asha_stopping"]}, "tuner.schedulers")


def test_a_name_is_ours_or_an_installed_packages(registry: Registry) -> None:
    assert registry.names() == ("asha_stopping", "own", "first_half", "broken", "lost")
    assert registry.find("own") is AshaStopping
    assert registry.find("first_half") is sys.modules["plugged_rules"].FirstHalf
    assert registry.find("tuner.schedulers.asha_stopping:AshaStopping") is AshaStopping


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("asha_stopping", r"is the name of plugged_rules:FirstHalf and of tuner\.sched.*uninstall"),
        ("broken", r"'broken', plugged_broken:Rule, cannot be imported: RuntimeError: no licence"),
        ("lost", r"'lost', plugged_rules:Nothing, cannot be imported: AttributeError"),
        ("nosuch.module:Rule", r"nosuch\.module:Rule cannot be imported: ModuleNotFoundError"),
        ("nosuch", r"'nosuch' is not one of asha_stopping, own, first_half, .*module:factory"),
    ],
)
def test_what_cannot_be_had_is_named(registry: Registry, name: str, message: str) -> None:
    with pytest.raises(ExperimentError, match=rf"scheduler: .*{message}"):
        registry.find(name)


def test_a_scheduler_is_a_name_an_object_or_a_factory() -> None:
    rule = AshaStopping(eta=2)
    by_name = simulate(experiment(scheduler="asha_stopping", eta=2, trials=20))
    by_object = simulate(experiment(scheduler=rule, trials=20))
    place = "tuner.schedulers.asha_stopping:AshaStopping"
    by_place = simulate(experiment(scheduler=place, eta=2, trials=20))
    assert by_name.counts()[State.STOPPED] > 0
    assert by_name.counts() == by_object.counts() == by_place.counts()
    assert scheduler_of(experiment(scheduler=rule)).eta == 2  # type: ignore[attr-defined]
    with pytest.raises(ExperimentError, match=r"scheduler: 'ash' is not one of .*'asha'"):
        experiment(scheduler="ash")


def test_study_json_keeps_what_an_object_says_of_itself_and_a_resume_needs_it_again() -> None:
    settled = experiment(scheduler=AshaStopping(eta=4))
    loaded = Loaded(settled, Source("object", "tests"))
    content = describe(loaded, settled, None, name="brain")
    assert content.experiment.scheduler == repr(AshaStopping(eta=4))
    assert resumed(loaded, content, {}).scheduler == AshaStopping(eta=4)
    other = Loaded(experiment(scheduler=AshaStopping(eta=2)), Source("object", "tests"))
    again = resumed(other, content, {"scheduler": AshaStopping(eta=4)})
    assert again.scheduler == AshaStopping(eta=4)
    with pytest.raises(StudyError, match=r"scheduler: .* began with AshaStopping\(eta=4.*give it"):
        resumed(other, content, {})


def test_code_that_a_folder_alone_names_is_not_run_by_a_resume() -> None:
    place = "tuner.schedulers.asha_stopping:AshaStopping"
    mine = Loaded(experiment(scheduler=place, eta=2), Source("object", "tests"))
    content = describe(mine, mine.experiment, None, name="brain")
    assert resumed(mine, content, {}).scheduler == place
    other = Loaded(experiment(scheduler="asha_stopping", eta=2), Source("object", "tests"))
    assert resumed(other, content, {"scheduler": place}).scheduler == place
    with pytest.raises(StudyError, match=r"scheduler: .*code that its folder alone names.*again"):
        resumed(other, content, {})

"""What a run works out as it ends, and keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.facts.ending import keep_what_mattered
from analysis.loading import load
from analysis.report import report
from tests.analysis.studies import saved
from tests.brain import experiment, rising, simulate
from tuner.results.ending import what_mattered
from tuner.results.results import Results
from tuner.runner.finished import Finished

HOURS = 7200.0


@pytest.fixture
def study(tmp_path: Path) -> Results:
    return saved(tmp_path / "mine", rising, trials=12, sampler="random", scheduler="none")


def states(results: Results) -> dict[str, int]:
    return results.trials["state"].value_counts().to_dict()


def test_a_long_run_says_what_mattered_and_its_report_and_figure_take_that(
    study: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = keep_what_mattered(study.path, states(study), HOURS)
    assert said is not None
    assert said.startswith("what explains the results (fANOVA): x ")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("worked out again")

    monkeypatch.setattr("analysis.facts.importance.importance_of", never)
    monkeypatch.setattr("analysis.plots.importance", never)
    assert "fANOVA" in report(load(study.path))
    share = study.plot("importance").data[0]
    assert f"x {share.x[-1]:.0%}" in said
    assert share.error_x.array[-1] >= 0


def test_a_short_run_leaves_it_to_the_report(study: Results) -> None:
    assert keep_what_mattered(study.path, states(study), 60.0) is None
    assert not (study.path / "importance.json").exists()


def test_few_trials_are_said_to_be_too_few(tmp_path: Path) -> None:
    few = saved(tmp_path / "few", rising, trials=4, sampler="random", scheduler="none")
    said = keep_what_mattered(few.path, states(few), HOURS)
    assert said == "which parameters mattered takes 8 trials with a value to tell"
    assert not (few.path / "importance.json").exists()


def test_only_a_run_of_minutes_in_a_folder_works_it_out(study: Results, tmp_path: Path) -> None:
    ran = simulate(experiment(trials=12, sampler="random", scheduler="none"))

    def ended(seconds: float, place: str) -> str | None:
        return what_mattered(Finished(study.path, ran, seconds, place))

    assert ended(119.0, "results/mine") is None
    assert ended(HOURS, "s3://bucket/mine") is None
    assert not (study.path / "importance.json").exists()
    assert (ended(HOURS, "results/mine") or "").startswith("what explains the results")
    assert (study.path / "importance.json").exists()

"""What a run works out as it ends, and keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.facts.ending import keep_what_mattered
from analysis.facts.kept import first_of, kept_of
from analysis.loading import load
from analysis.report import report
from tests.analysis.studies import saved
from tests.brain import experiment, rising, simulate
from tuner.results.ending import what_mattered
from tuner.results.results import Results
from tuner.runner.finished import Finished
from tuner.store.copying import local_copy
from tuner.store.mirror import Mirror

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


def test_only_a_run_of_minutes_works_it_out(study: Results, tmp_path: Path) -> None:
    ran = simulate(experiment(trials=12, sampler="random", scheduler="none"))

    def ended(seconds: float, place: str) -> str | None:
        return what_mattered(Finished(study.path, ran, seconds, place))

    assert ended(119.0, "results/mine") is None
    assert not (study.path / "importance.json").exists()
    assert (ended(HOURS, "results/mine") or "").startswith("what explains the results")
    assert (study.path / "importance.json").exists()


def test_a_study_at_a_uri_has_it_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "one"))
    uri = f"file://{tmp_path}/there"
    mirror = Mirror(uri)
    study = saved(mirror.folder / "mine", rising, trials=12, sampler="random", scheduler="none")
    mirror.put(study.path, held=False)
    ran = simulate(experiment(trials=12, sampler="random", scheduler="none"))
    said = what_mattered(Finished(study.path, ran, HOURS, f"{uri}/mine"))
    assert (said or "").startswith("what explains the results")
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "another machine"))
    kept = kept_of(load(local_copy(f"{uri}/mine")))
    assert kept is not None
    assert first_of(kept) is not None


def test_a_study_that_another_driver_has_by_now_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "one"))
    uri = f"file://{tmp_path}/there"
    mirror = Mirror(uri)
    study = saved(mirror.folder / "mine", rising, trials=12, sampler="random", scheduler="none")
    mirror.put(study.path, held=False)
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "another machine"))
    other = Mirror(uri)
    other.fetch(other.folder / "mine")
    other.put(other.folder / "mine", held=True)
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "one"))
    ran = simulate(experiment(trials=12, sampler="random", scheduler="none"))
    assert what_mattered(Finished(study.path, ran, HOURS, f"{uri}/mine")) is None

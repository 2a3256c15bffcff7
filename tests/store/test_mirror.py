"""Results at a URI: copied whole, fetched to go on, refused in a line."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

import analysis
import tuner
from tests.brain import abandon, experiment, open_study, rising, simulate
from tuner.engines.simulated import VirtualClock, run
from tuner.errors import ResultsError, StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.store import copying
from tuner.store.copying import local_copy, mirrored
from tuner.store.folder import new_study_path
from tuner.store.mirror import Mirror
from tuner.store.study_json import describe


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/there"
    fsspec.filesystem("memory").store.clear()
    return "memory://bucket/results"


def settled(**fields: Any) -> Any:
    return experiment(trials=6, scheduler="none", sampler="random", **fields)


def begin(mirror: Mirror, **fields: Any) -> Path:
    """A new study's folder with its study.json."""
    mirror.fetch_names()
    path = new_study_path(mirror.folder, "brain", None)
    path.mkdir(parents=True)
    one = settled(**fields)
    describe(Loaded(one, Source("object", "tests")), one, None, name=path.name).write(path)
    return path


def test_a_study_is_whole_at_its_uri(uri: str) -> None:
    mirror = Mirror(uri)
    path = begin(mirror)
    with mirrored(mirror, path):
        simulate(settled(), folder=path)
    tables = analysis.load(f"{uri}/brain")
    assert tables.trials["state"].tolist() == ["COMPLETE"] * 6
    assert len(tables.reports) == tables.trials["epochs"].sum()
    assert pd.read_parquet(f"{uri}/brain/trials.parquet")["trial"].tolist() == list(range(6))
    results = tuner.load(f"{uri}/brain")
    assert len(results.trials) == 6
    # The next study of that name on another machine takes the next number.
    other = Mirror(uri)
    shutil.rmtree(other.folder)
    assert begin(other).name == "brain-2"


def test_another_machine_goes_on_from_the_uri(uri: str) -> None:
    mirror = Mirror(uri)
    path = begin(mirror)
    clock = VirtualClock()
    study = open_study(settled(), path, clock)

    def dies(cell: Any) -> Any:
        if cell.trial == 4:
            raise KeyboardInterrupt
        return rising(cell)

    with pytest.raises(KeyboardInterrupt), mirrored(mirror, path):
        run(study, dies, workers=1, clock=clock)
    abandon(study)
    before = {r.trial: (r.value, r.attempt) for r in study.records if r.trial < 4}
    shutil.rmtree(mirror.folder)  # this machine is lost

    other = Mirror(uri)
    other.fetch_names()
    path = other.folder / "brain"
    other.fetch(path)
    with mirrored(other, path):
        done = simulate(settled(), folder=path)
    assert {r.trial: (r.value, r.attempt) for r in done.records if r.trial < 4} == before
    tables = analysis.load(f"{uri}/brain")
    assert tables.trials["state"].tolist() == ["COMPLETE"] * 6
    assert not tables.reports.duplicated(["trial", "fold", "epoch"]).any()
    assert len(tables.reports) == tables.trials["epochs"].sum()


def test_a_folder_that_is_newer_than_its_copy_stays(uri: str) -> None:
    mirror = Mirror(uri)
    path = begin(mirror)
    with mirrored(mirror, path):
        simulate(settled(), folder=path)
    (path / "later.txt").write_text("not yet copied")
    mirror.fetch(path)
    assert (path / "later.txt").exists()
    assert local_copy(f"{uri}/brain") == path


def test_a_run_whose_study_was_taken_over_is_told_and_puts_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fsspec.filesystem("memory").store.clear()
    monkeypatch.setattr(copying, "INTERVAL_S", 0.01)
    uri = "memory://bucket/results"
    mirror = Mirror(uri)
    mirror.lease_s = 0.0
    path = begin(mirror)
    told: list[StudyError] = []
    heard = threading.Event()

    def on_loss(error: StudyError) -> None:
        told.append(error)
        heard.set()

    with mirrored(mirror, path, on_loss):
        monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "other"))
        other = Mirror(uri)
        other.fetch_names()
        other.fetch(other.folder / path.name)
        other.put(other.folder / path.name, held=True)
        (path / "journal.log").write_text("work of the first one\n")
        assert heard.wait(30)
    [error] = told
    assert "it was taken over by process" in str(error)
    assert str(path) in str(error)
    other.put(other.folder / path.name, held=False)


def test_what_cannot_be_reached_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no filesystem for 'nosuch://bucket/x'"):
        Mirror("nosuch://bucket/x")
    (tmp_path / "file").write_text("")
    mirror = Mirror(f"file://{tmp_path}/file/x")
    path = begin(mirror)
    with pytest.raises(ResultsError, match=r"results: .* cannot be written \(.*\); give others"):
        mirror.put(path, held=True)
    with pytest.raises(ResultsError, match=r"is not a study: it has no study.json"):
        local_copy(f"file://{tmp_path}/nothing")


def test_a_run_puts_its_results_at_a_uri(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/there"
    results = tuner.run("beale", results=place, trials=5, seed=1, scheduler="none")
    assert len(results.trials) == 5
    shutil.rmtree(tmp_path / "cache")
    again = tuner.run("beale", results=place, trials=8, resume=True)
    assert again.trials["trial"].tolist() == list(range(8))
    assert again.trials["value"][:5].tolist() == results.trials["value"].tolist()
    assert len(pd.read_parquet(tmp_path / "there" / "beale" / "trials.parquet")) == 8

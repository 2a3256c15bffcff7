"""`tuner watch`: the page follows a study that runs, by changes alone."""

from __future__ import annotations

import copy
import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.page.deltas import changes
from analysis.watch import Watch, Watched
from tests.analysis.browser import Window, chromium, needs_chromium
from tests.analysis.studies import saved
from tests.brain import rising
from tuner.errors import ResultsError
from tuner.runner.serving import serve_app

__all__ = ["chromium"]

leaves = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
plain = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=12,
)
records = st.dictionaries(st.sampled_from("pqr"), plain, min_size=3, max_size=3)


def applied(data: Any, told: Any) -> Any:
    """What the page's script does with changes."""
    data = copy.deepcopy(data)
    for path, value, is_end in json.loads(json.dumps(told)):
        at = data
        for key in path[:-1]:
            at = at[key]
        if is_end:
            at[path[-1]].extend(value)
        else:
            at[path[-1]] = value
    return data


@given(records, records)
def test_changes_make_the_old_into_the_new(old: Any, new: Any) -> None:
    assert applied(old, changes(old, new)) == new


def test_what_stayed_is_not_sent_again() -> None:
    old = {"curves": [[1, 2], [5]], "name": "a"}
    new = {"curves": [[1, 2, 3], [5], [7]], "name": "a"}
    assert changes(old, new) == [(["curves", 0], [3], True), (["curves"], [[7]], True)]


@pytest.fixture
def growing(tmp_path: Path) -> tuple[Path, Any]:
    """A study of 4 trials, and what makes it one of 9."""
    for name, trials in (("few", 4), ("more", 9)):
        saved(tmp_path / name, rising, trials=trials, scheduler="none", sampler="random")
    results = tmp_path / "results"
    shutil.copytree(tmp_path / "few", results / "study")

    def grow() -> None:
        for file in ("trials.parquet", "reports.log"):
            shutil.copy(tmp_path / "more" / file, results / "study" / file)
        shutil.copytree(
            tmp_path / "more" / "reports.parquet",
            results / "study" / "reports.parquet",
            dirs_exist_ok=True,
        )

    return results / "study", grow


def test_a_version_is_told_as_what_changed_since(growing: tuple[Path, Any]) -> None:
    folder, grow = growing
    watched = Watched(folder)
    watched.look()
    before = watched.now().as_json()
    assert watched.message(1, timeout=0) is None
    watched.look()
    assert watched.version == 1
    grow()
    watched.look()
    told = watched.message(1, timeout=0)
    assert told is not None
    message = json.loads(told[1])
    assert (message["from"], message["version"]) == (1, 2)
    whole = json.loads(json.dumps(watched.now().as_json()))
    assert json.loads(json.dumps(applied(before, message["changes"]))) == whole
    assert "trial" in message["cards"]["top"]


def test_who_comes_late_gets_all_of_it(growing: tuple[Path, Any]) -> None:
    folder, _ = growing
    watched = Watched(folder)
    watched.look()
    told = watched.message(0, timeout=0)
    assert told is not None
    message = json.loads(told[1])
    assert message["from"] is None
    assert len(message["study"]["trials"]["trial"]) == 4


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="holds no study"):
        Watch(tmp_path)


@pytest.fixture
def served(growing: tuple[Path, Any]) -> Iterator[tuple[Any, str]]:
    """The folder of studies, served on a free port of this machine."""
    app = Watch(growing[0].parent)
    links: list[str] = []
    ready = threading.Event()

    def say(link: str) -> None:
        links.append(link.split(",")[0])
        ready.set()

    for work in (app.run, lambda: serve_app(app, "127.0.0.1", 0, "/", say)):
        threading.Thread(target=work, daemon=True).start()
    assert ready.wait(30)
    yield growing[1], links[0]
    app.stop()


def test_another_host_and_an_unknown_study_are_refused(served: tuple[Any, str]) -> None:
    _, link = served
    request = urllib.request.Request(link, headers={"Host": "evil.example"})
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(request)
    for path in ("nothing/", "../study/", "study/trials.parquet"):
        with pytest.raises(HTTPError, match="404"):
            urllib.request.urlopen(link + path)
    with urllib.request.urlopen(link) as answer:
        text = answer.read().decode()
    assert '<a href="study/">study</a>' in text
    assert "4 ended" in text


@needs_chromium
def test_the_page_follows_the_study(chromium: Any, served: tuple[Any, str]) -> None:
    grow, link = served
    window = Window(chromium, f"{link}study/")
    assert window.text("#count").startswith("4 trials")
    grow()
    window.page.locator("#count", has_text="9 trials").wait_for(timeout=60_000)
    assert window.page.locator("#trials-table tbody tr").count() == 9
    assert "9 complete" in window.text(".cards.top")
    assert window.said == []
    window.close()

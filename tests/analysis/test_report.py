"""The report: what is written where, and what a user named is text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.report import write_report
from tests.analysis.studies import saved
from tests.brain import rising as rising_curve
from tuner.cli.app import app
from tuner.engines.simulated import Step
from tuner.errors import ResultsError
from tuner.search_space.axes import Categorical, Float
from tuner.trial.cells import Cell

EVIL = "<script>document.title='executed'</script>"
IMAGE = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """The start tags of a page, and the text of its visible parts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]


def test_what_a_user_named_is_text_and_nothing_is_fetched(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {EVIL: 0.5, "val_accuracy": cell.params["x"]})]

    space = {"x": Float(0, 1), "named": Categorical([EVIL, IMAGE]), "epochs": 1}
    folder = tmp_path / "study"
    saved(folder, curve, space=space, description=EVIL, trials=8)
    # No axis can be called so, but a folder that came from elsewhere may say it.
    study = (folder / "study.json").read_text().replace('"named"', json.dumps(EVIL))
    (folder / "study.json").write_text(study)
    trials = pd.read_parquet(folder / "trials.parquet")
    trials.rename(columns={"param_named": f"param_{EVIL}"}).to_parquet(folder / "trials.parquet")
    path = write_report([folder])
    page = Tags()
    page.feed(path.read_text())
    assert page.tags.count("script") == 3  # the data, the library, and what draws
    assert "img" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links)
    for named in (EVIL, IMAGE):
        assert named not in path.read_text()


def test_several_studies_are_compared(tmp_path: Path) -> None:
    for name in ("one", "two"):
        saved(tmp_path / name, rising_curve, trials=4)
    path = write_report([tmp_path / "one", tmp_path / "two"])
    assert path == tmp_path / "report.html"
    text = path.read_text()
    assert text.index("Side by side") < text.index('id="answer0"') < text.index('id="answer1"')


def test_the_command_says_where_it_wrote(tmp_path: Path) -> None:
    saved(tmp_path / "study", rising_curve, trials=4)
    out = tmp_path / "deep" / "mine.html"
    done = CliRunner().invoke(app, ["report", str(tmp_path / "study"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert str(out) in done.output.replace("\n", "")
    text = out.read_text()
    for part in (
        "Parameters",
        "Learning curves",
        "Where the epochs went",
        "Trials",
        "Reproduce it",
    ):
        assert f"<h2>{part}</h2>" in text


def test_a_study_without_a_complete_trial_has_a_report(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": float("nan")})]

    saved(tmp_path / "study", curve, trials=3)
    assert "No trial has a value" in write_report([tmp_path / "study"]).read_text()


def test_no_study_no_report(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="names no study"):
        write_report([tmp_path])


def test_importance_is_kept_as_long_as_the_tables_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    saved(folder, rising_curve, trials=12)
    first = write_report([folder]).read_text()
    kept = (folder / "importance.json").read_text()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("worked out again")

    with monkeypatch.context() as patch:
        patch.setattr("analysis.facts.importance.importance_of", never)
        assert write_report([folder]).read_text() == first
    for broken in ("[]", kept.replace('"share"', '"sh"')):
        (folder / "importance.json").write_text(broken)
        assert write_report([folder]).read_text() == first
        assert (folder / "importance.json").read_text() == kept
    trials = pd.read_parquet(folder / "trials.parquet")
    trials.assign(value=0.5).to_parquet(folder / "trials.parquet")
    write_report([folder])
    assert (folder / "importance.json").read_text() != kept

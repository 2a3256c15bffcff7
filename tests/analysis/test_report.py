"""The report: every figure draws in a browser with a clean console, and nothing is executed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis.report import write_report
from tests.analysis.studies import saved
from tests.brain import half_diverging
from tests.brain import rising as rising_curve
from tuner.cli.app import app
from tuner.engines.simulated import Step
from tuner.errors import ResultsError
from tuner.search_space.axes import Categorical, Float
from tuner.trial.cells import Cell

EVIL = "<script>document.title='executed'</script>"
IMAGE = "<img src=x onerror=alert(1)>"
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
MODES: dict[str, dict[str, Any]] = {
    "search": {"scheduler": "asha", "trials": 40},
    "grid": {
        "mode": "grid",
        "space": {
            "x": Float(0, 1, grid=[0.1, 0.2]),
            "k": Categorical(["</script>", "b"]),
            "epochs": 3,
        },
    },
    "cv": {
        "mode": "cv",
        "dataset": "digits",
        "space": {"x": Float(0, 1, grid=[0.1, 0.2]), "epochs": 3},
    },
}


def dom(page: Path, folder: Path) -> tuple[str, list[str]]:
    """The page as the browser has it after its scripts ran, and what the console said."""
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
        f"--user-data-dir={folder}", "--virtual-time-budget=60000", "--enable-logging=stderr",
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = re.findall(r'CONSOLE:\d+\] "(.*)", source', done.stderr)
    return done.stdout, [line for line in said if not line.startswith("[.WebGL")]  # the driver's


@pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")
@pytest.mark.parametrize("mode", MODES)
def test_every_figure_draws_in_a_browser(mode: str, tmp_path: Path) -> None:
    curve = rising_curve if mode == "cv" else half_diverging
    saved(tmp_path / "study", curve, **MODES[mode])
    path = write_report([tmp_path / "study"])
    text = path.read_text()
    page, console = dom(path, tmp_path / "profile")
    assert console == []
    figures = set(re.findall(r'<div class="figure" id="([\w-]+)"', text))
    assert len(figures) >= 3
    drawn = set(re.findall(r'id="([\w-]+)"[^>]*data-drawn="yes"', page))
    drawn |= set(re.findall(r'data-drawn="yes"[^>]*id="([\w-]+)"', page))
    assert drawn == figures
    assert page.count('class="main-svg"') >= len(figures)


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
    assert page.tags.count("script") == 3  # plotly's, the figures, and what draws them
    assert "img" not in page.tags
    assert page.links == []
    if BROWSER is not None:
        shown, console = dom(path, tmp_path / "profile")
        assert console == []
        assert "<title>study</title>" in shown
        assert "<img" not in shown


def test_several_studies_are_compared(tmp_path: Path) -> None:
    for name in ("one", "two"):
        saved(tmp_path / name, rising_curve, trials=4)
    path = write_report([tmp_path / "one", tmp_path / "two"])
    assert path == tmp_path / "report.html"
    text = path.read_text()
    assert "<h1>2 studies</h1>" in text
    assert text.index("Side by side") < text.index("<h1>one</h1>") < text.index("<h1>two</h1>")


def test_the_command_says_where_it_wrote(tmp_path: Path) -> None:
    saved(tmp_path / "study", rising_curve, trials=4)
    out = tmp_path / "deep" / "mine.html"
    done = CliRunner().invoke(app, ["report", str(tmp_path / "study"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert str(out) in done.output.replace("\n", "")
    text = out.read_text()
    for part in ("The answer", "What was searched", "How", "Figures", "Trials", "Reproduce it"):
        assert f"<h2>{part}</h2>" in text


def test_a_study_without_a_complete_trial_has_a_report(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": float("nan")})]

    saved(tmp_path / "study", curve, trials=3)
    assert "No trial has a value" in write_report([tmp_path / "study"]).read_text()


def test_no_study_no_report(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="names no study"):
        write_report([tmp_path])

"""Every benchmark still runs: the quick ones in their smallest form, the others to their help.

Their figures are nobody's here: speed is never asserted in a test.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if "def main(" in path.read_text()
)
SMALL = {
    "confirm": "--sets wine --points 4 --trials 3 --splits 5 --seeds 2 --processes 1",
    "load": "--trials 20 --epochs 10",
    "power_cuts": "--cuts 5",
    "scale": "--trials 40 --who brain",
}
"""The smallest forms of those that take a second or two."""
TALK = ("cut_nodes", "shared_driver")
"""Those that another benchmark starts and talks to."""


def run(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # for the processes that it starts
    runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in (*SMALL, *TALK)])
def test_a_long_benchmark_says_what_it_measures(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        run(name, ["--help"], monkeypatch)
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("name", SMALL)
def test_a_short_benchmark_runs(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run(name, SMALL[name].split(), monkeypatch)
    assert capsys.readouterr().out

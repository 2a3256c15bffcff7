"""How a run ends: what it says last, and its exit code."""

from __future__ import annotations

import math
from io import StringIO
from pathlib import Path

import pytest
import typer.main
from rich.console import Console

from tests.brain import experiment, rising, simulate
from tuner.cli.app import app
from tuner.engines.simulated import Curve, Step
from tuner.runner.finished import Finished


def finished(curve: Curve = rising) -> Finished:
    study = simulate(experiment(trials=4), curve)
    return Finished(Path("results/mine"), study, 1.0, "results/mine")


def test_a_run_in_which_no_trial_came_to_a_value_exits_with_1() -> None:
    assert finished().exit_code == 0
    assert finished(lambda cell: [Step(1, {"val_accuracy": math.nan})]).exit_code == 1


def test_the_last_lines_name_what_comes_next() -> None:
    said = StringIO()
    finished().show(Console(file=said, width=200))
    last = said.getvalue().splitlines()[-4:]
    assert last[0] == "results: results/mine"
    commands = [row.split(": ")[1] for row in last[1:]]
    assert commands == [
        f"python -m tuner {name} results/mine" for name in ("report", "refit", "dashboard")
    ]


def test_nothing_is_to_be_refit_where_no_trial_came_to_a_value() -> None:
    said = StringIO()
    diverged = finished(lambda cell: [Step(1, {"val_accuracy": math.nan})])
    diverged.show(Console(file=said, width=200))
    assert "tuner report results/mine" in said.getvalue()
    assert "refit" not in said.getvalue()


@pytest.mark.parametrize("name", ["metric", "epochs", "concurrency", "keep_models", "log"])
def test_the_help_of_run_shows_defaults_none_among_them(name: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    (param,) = [param for param in commands["run"].params if param.name == name]
    assert isinstance(param.show_default, str)

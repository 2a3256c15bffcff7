"""What trials print and raise is a command away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner.cli.app import run_command
from tuner.training.output import KEPT_BYTES, captured


def talks(trial: Any) -> float:
    if trial.number == 1:
        print("trial one speaks")
        subprocess.run(["echo", "and a child of its"], check=True)
    if trial.number == 2:
        print("on its way")
        raise ValueError(f"attempt {trial.cell.attempt} cannot")
    return float(trial["x"])


def test_a_trials_output_and_traceback_are_one_command_away(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    experiment = tuner.Experiment(
        name="talks", space={"x": tuner.Float(0, 1)}, objective=talks, metric="x",
        direction="maximize",
        sampler="random", scheduler="none", trials=4, dataset=None, retries=1, concurrency=1,
    )  # fmt: skip
    tuner.run(experiment, results=tmp_path)
    study = str(tmp_path / "talks")
    capfd.readouterr()
    assert run_command(["logs", study, "1"]) == 0
    one = capfd.readouterr().out
    assert one.startswith("== attempt 1, fold 0 on 127.0.0.1: finished\n")
    assert "trial one speaks\nand a child of its\n" in one
    assert run_command(["logs", study, "2"]) == 0
    two = capfd.readouterr().out
    assert two.count("on its way") == 2
    assert two.count("Traceback") == 2
    assert "ValueError: attempt 1 cannot" in two
    assert "ValueError: attempt 2 cannot" in two
    assert run_command(["logs", study, "3"]) == 0
    assert capfd.readouterr().out == "trial 3 printed nothing and raised nothing\n"
    assert run_command(["logs", study, "9"]) == 2
    assert "has no trial 9; it has 4, from 0" in capfd.readouterr().err


def test_of_a_long_output_the_end_is_kept() -> None:
    with captured() as said:
        os.write(1, b"x" * KEPT_BYTES + b"the end")
    assert said.text.startswith("... 7 bytes before\n")
    assert said.text.endswith("xthe end")

"""Whatever lies in a user's folder, our modules are found, and theirs by their own files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINE = """
import analysis, data, store, trial as own_trial
from search_spaces.shapes import SCALE
from tuner import Experiment, Float


def train(trial):
    import statistics_of_mine  # found late as well

    for epoch in (1, 2):
        loss = analysis.WEIGHT * (trial["x"] - data.TARGET) ** 2 + store.FLOOR
        trial.report(epoch, {"val_loss": loss * own_trial.ONE * SCALE * statistics_of_mine.ONE})


EXPERIMENT = Experiment("mine", {"x": Float(0, 1)}, train, metric="val_loss", dataset=None,
                        scheduler="none", sampler="random", trials=3)
"""
FILES = {
    "mine.py": MINE,
    "analysis.py": "WEIGHT = 2.0\n",
    "data.py": "TARGET = 0.5\n",
    "store.py": "FLOOR = 1.0\n",
    "trial.py": "ONE = 1.0\n",
    "statistics_of_mine.py": "ONE = 1.0\n",
    "search_spaces/__init__.py": "",
    "search_spaces/shapes.py": "SCALE = 1.0\n",
    "errors.py": "raise ImportError('not ours')\n",
    "cli.py": "raise ImportError('not ours')\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def tuner(folder: Path, *arguments: str, path: str = str(ROOT)) -> str:
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_works_beside_files_of_our_names(folder: Path) -> None:
    assert "lr_momentum" in tuner(folder, "list")
    out = tuner(folder, "run", "./mine.py", "--concurrency", "1", "--engine", "ray_tune")
    assert "3 COMPLETE" in out
    assert "val_loss 1." in out
    assert "wrote" in tuner(folder, "report", "results/mine")
    assert "plot:" in tuner(folder, "simulate", "results/mine", "--scheduler", "median")
    assert "3 COMPLETE" in tuner(folder, "show", "results/mine")


def test_an_experiment_of_ours_runs_beside_a_folder_of_its_packages_name(folder: Path) -> None:
    out = tuner(folder, "run", "beale", "--trials", "2", "--concurrency", "1")
    assert "2 COMPLETE" in out


def test_our_packages_may_lie_apart_as_where_a_study_is_sent_to_a_cluster(folder: Path) -> None:
    packages = ("tuner", "analysis", "search_spaces")
    for name in packages:
        shutil.copytree(ROOT / name, folder / "sent" / name / name)
    path = os.pathsep.join(str(folder / "sent" / name) for name in packages)
    assert "lr_momentum" in tuner(folder, "list", path=path)

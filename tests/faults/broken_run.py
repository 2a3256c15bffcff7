"""A run whose study can't be written any more: what the tests of its causes share."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import tuner

MINE = """
from pathlib import Path
from tuner import Experiment, Float

def train(trial):
    while trial.number >= 6 and not Path("full").exists():
        Path("waits").touch()
    for epoch in (1, 2, 3):
        trial.report(epoch, {"score": trial["x"] * epoch})

EXPERIMENT = Experiment(
    name="mine", space={"x": Float(0, 1)}, objective=train, metric="score", dataset=None,
    sampler="random", scheduler="none", trials=30, epochs=3, concurrency=1,
)
"""
COMMAND = [sys.executable, "-m", "tuner", "run", "./mine.py", "--quiet"]


def begun(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A run whose first six trials are over and told, and that waits to be let on; its study.

    One trial at a time: the seventh begins when the sixth's end is in the ledger.
    """
    (folder / "mine.py").write_text(MINE)
    run = subprocess.Popen(COMMAND, cwd=folder, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not (folder / "waits").exists():
        time.sleep(0.05)
    return run, folder / "results" / "mine"


def ends_in_a_line(run: subprocess.Popen[str], folder: Path) -> None:
    """Let it on: it can't write, says so and how to go on, and ends."""
    (folder / "full").touch()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2, said
    (line,) = (line for line in said.splitlines() if "[ray_log_sink]" not in line)  # Ray's own logs
    assert line.startswith("tuner: study results/mine cannot be written (")
    assert line.endswith("go on with --resume")


def goes_on_whole(folder: Path, study: Path) -> None:
    """Resumed, it ends with every trial once, the first six as they were."""
    done = subprocess.run(
        [*COMMAND, "--resume"],
        cwd=folder, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = tuner.load(study)
    assert results.trials["trial"].tolist() == list(range(30))
    assert set(results.trials["state"]) == {"COMPLETE"}
    assert set(results.trials["attempt"][:6]) == {1}
    assert not results.reports.duplicated(["trial", "epoch"]).any()
    assert len(results.reports) == 90

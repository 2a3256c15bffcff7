"""A disk that takes no more ends a run in a line, and costs nothing of what it has taken."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import tuner

MINE = """
from pathlib import Path
from tuner import Experiment, Float

def train(trial):
    while trial.number >= 6 and not Path("full").exists():
        pass
    for epoch in (1, 2, 3):
        trial.report(epoch, {"score": trial["x"] * epoch})

EXPERIMENT = Experiment(
    name="mine", space={"x": Float(0, 1)}, objective=train, metric="score", dataset=None,
    sampler="random", scheduler="none", trials=30, epochs=3, concurrency=1,
)
"""


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="no file size limits here")
def test_a_full_disk_ends_the_run_in_a_line_and_costs_nothing(
    tmp_path: Path, ends_orphans: None
) -> None:
    """Instead of a full disk, a limit to the size of the driver's files: the same writes fail."""
    (tmp_path / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "tuner", "run", "./mine.py", "--quiet"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "results" / "mine" / "reports.log"
    while run.poll() is None and (not log.exists() or log.read_text().count("score") < 18):
        time.sleep(0.05)
    limit = log.stat().st_size + 300
    psutil.Process(run.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, limit))
    (tmp_path / "full").touch()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2, said
    (line,) = (line for line in said.splitlines() if "[ray_log_sink]" not in line)  # Ray's own logs
    assert line.startswith("tuner: study results/mine cannot be written (")
    assert line.endswith("go on with --resume")
    before = log.read_text()
    done = subprocess.run(
        [*command, "--resume"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results = tuner.load(tmp_path / "results" / "mine")
    assert results.trials["trial"].tolist() == list(range(30))
    assert set(results.trials["state"]) == {"COMPLETE"}
    assert set(results.trials["attempt"][:6]) == {1}
    assert not results.reports.duplicated(["trial", "epoch"]).any()
    assert len(results.reports) == 90
    assert before.count("score") >= 18

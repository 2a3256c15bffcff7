"""A results folder that loses its write permission ends the run in a line, and costs nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import tuner
from benchmarks.strikes import closed, impossible
from tests.faults.test_full_disk import MINE


def test_a_folder_without_write_permission_ends_the_run_in_a_line(
    tmp_path: Path, ends_orphans: None
) -> None:
    if reason := impossible(tmp_path).get("read-only"):
        pytest.skip(reason)
    (tmp_path / "mine.py").write_text(MINE)
    command = [sys.executable, "-m", "tuner", "run", "./mine.py", "--quiet"]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    study = tmp_path / "results" / "mine"
    log = study / "reports.log"
    while run.poll() is None and (not log.exists() or log.read_text().count("score") < 18):
        time.sleep(0.05)
    with closed(study):
        (tmp_path / "full").touch()
        _, said = run.communicate(timeout=60)
    assert run.returncode == 2, said
    (line,) = (line for line in said.splitlines() if "[ray_log_sink]" not in line)  # Ray's own logs
    assert line.startswith("tuner: study results/mine cannot be written (")
    assert line.endswith("go on with --resume")
    subprocess.run([*command, "--resume"], cwd=tmp_path, check=True, timeout=60)
    results = tuner.load(study)
    assert results.trials["trial"].tolist() == list(range(30))
    assert set(results.trials["state"]) == {"COMPLETE"}
    assert set(results.trials["attempt"][:6]) == {1}
    assert not results.reports.duplicated(["trial", "epoch"]).any()
    assert len(results.reports) == 90

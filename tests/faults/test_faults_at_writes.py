"""A fault of each kind at some change of a study's folder; 1,000 of them by
`python -m benchmarks.faults_at_writes`."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="it looks files up in /proc")
def test_a_fault_at_a_change_of_the_folder_costs_no_trial() -> None:
    if shutil.which("cc") is None:
        pytest.skip("a C compiler is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults_at_writes", "--faults", "9", "--seed", "5"],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1].split()
    assert last[:2] == ["all", "9"]
    assert last[-4:] == ["0"] * 4

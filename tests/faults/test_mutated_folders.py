"""Folders that were mutated at random: every command ends well, or in a line; 2,000 of them by
`python -m benchmarks.mutations`."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = ("show", "load", "dashboard", "resume", "repair")


@pytest.mark.skipif(sys.platform != "linux", reason="it reads a process's memory from /proc")
def test_no_mutated_folder_is_worth_a_traceback() -> None:
    """Each of its own process; `report` and `simulate`, which are slow, in the campaign alone."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mutations", "--folders", "12", "--seed", "7",
         "--commands", *COMMANDS],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.split() for line in done.stdout.splitlines()]
    assert table[0] == ["fine", "one", "line"]
    assert [sum(map(int, row[1:])) for row in table[1:]] == [12] * len(COMMANDS)

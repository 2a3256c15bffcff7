"""A process of the local Ray dies in mid-run: the run ends in a line, and goes on with --resume."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.faults.broken_run import begun, goes_on_whole


@pytest.mark.parametrize("name", ["gcs_server", "raylet"])
def test_a_run_whose_ray_dies_ends_in_a_line_and_loses_nothing(
    tmp_path: Path, name: str, ends_orphans: None
) -> None:
    run, study = begun(tmp_path)
    [one] = [child for child in psutil.Process(run.pid).children() if child.name() == name]
    one.kill()
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2, said
    (line,) = (line for line in said.splitlines() if line.startswith("tuner: "))
    assert line == (
        f"tuner: Ray's process '{name}' has died, so the run was stopped; go on with --resume"
    )
    (tmp_path / "full").touch()
    goes_on_whole(tmp_path, study)

"""A results folder that loses its write permission ends the run in a line, and costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.strikes import closed, impossible
from tests.faults.broken_run import begun, ends_in_a_line, goes_on_whole


def test_a_folder_without_write_permission_ends_the_run_in_a_line(
    tmp_path: Path, ends_orphans: None
) -> None:
    if reason := impossible(tmp_path).get("read-only"):
        pytest.skip(reason)
    run, study = begun(tmp_path)
    with closed(study):
        ends_in_a_line(run, tmp_path)
    goes_on_whole(tmp_path, study)

"""A disk that takes no more ends a run in a line, and costs nothing of what it has taken."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.faults.broken_run import begun, ends_in_a_line, goes_on_whole


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="no file size limits here")
def test_a_full_disk_ends_the_run_in_a_line_and_costs_nothing(
    tmp_path: Path, ends_orphans: None
) -> None:
    """Instead of a full disk, a limit to the size of the driver's files: the same writes fail."""
    run, study = begun(tmp_path)
    log = study / "reports.log"
    limit = log.stat().st_size + 300
    psutil.Process(run.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, limit))
    ends_in_a_line(run, tmp_path)
    before = log.read_text()
    goes_on_whole(tmp_path, study)
    assert before.count("score") >= 18

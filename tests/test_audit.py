"""`make audit` never takes a want of data for an all-clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.audit import audit, verdict

FINE = {"name": "a", "version": "1", "vulns": []}
FAULTY = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
MISSED = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("found", "said", "code"),
    [
        ([FINE], ["audit: 1 versions, no known fault"], 0),
        ([FINE, FAULTY], ["b 2: CVE-1, mended in 3"], 1),
        ([MISSED] * 7, ["audit: no data on 7 of 7 versions in lock (c, c, c, c, c, ...)"], 2),
        (
            [FAULTY, MISSED],
            ["b 2: CVE-1, mended in 3", "audit: no data on 1 of 2 versions in lock (c)"],
            2,
        ),
    ],
)
def test_what_was_not_looked_up_is_said(
    found: list[dict[str, Any]], said: list[str], code: int
) -> None:
    assert verdict(found, "lock") == (said, code)


def test_an_audit_that_could_not_begin_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "pip-audit"
    broken.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    broken.chmod(0o755)
    lines, code = audit(str(broken), "lock")
    assert lines == ["audit: no data (no network); nothing is known of any version in lock"]
    assert code == 2

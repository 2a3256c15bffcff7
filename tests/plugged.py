"""An installed package that adds names to our registries, shared by the tests of these."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(folder: Path, entry_points: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a package of those entry points on the path, and a module that cannot be imported."""
    package = folder / "plugged-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(entry_points)
    (folder / "plugged_broken.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(str(folder))

"""TensorFlow's own lines stay off the terminal, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuner.errors import ExperimentError
from tuner.experiment.loading import load
from tuner.import_lines import without_import_lines

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795771322.839299    7572 cudart_stub.cc:31] Could not find cuda drivers\n"
    b"2026-11-27 09:15:28.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations\n"
)


def test_other_lines_are_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with without_import_lines():
        os.write(2, NOISE + b"W is for weight\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "W is for weight\n"


def test_a_file_that_fails_shows_what_it_printed(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "prints_and_fails.py"
    file.write_text(f"import os\nos.write(2, {NOISE!r} + b'about to fail\\n')\n1 / 0\n")
    with pytest.raises(ExperimentError, match="division by zero"):
        load(str(file))
    assert capfd.readouterr().err == "about to fail\n"

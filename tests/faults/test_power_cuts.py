"""Power cuts, simulated: what is left of a study after one resumes, the last second aside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.power_cuts import campaign
from tuner.errors import TunerError
from tuner.files import AppendFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks files up in /proc")


def test_a_study_goes_on_after_a_power_cut_at_any_write(tmp_path: Path) -> None:
    """`python -m benchmarks.power_cuts` tries all of them."""
    done, moments = campaign(tmp_path, 25, seed=1)
    assert done == 25
    assert moments > 100


def test_the_model_of_the_disk_finds_what_was_never_put_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AppendFile, "sync", lambda self: None)
    with pytest.raises((AssertionError, TunerError), match=r"had ended, and is|has lost \d+ trial"):
        campaign(tmp_path, 25, seed=1)

"""The doctor says what is there and what is not; each absence is made, and named."""

from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuner.cli import doctor
from tuner.cli.doctor import Finding, Health


def test_it_finds_this_machine_fit_to_search(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "doctor", "--results", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert lines["Python"].startswith("fine")
    assert str(tmp_path) in lines["results"]
    assert "Keras on tensorflow" in lines["TensorFlow"]
    assert "starts and ends on 127.0.0.1" in lines["Ray"]


def test_an_absent_package_is_a_fault_with_its_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tuner.cli.doctor.metadata.requires", lambda name: ["no-such-package>=3", "numpy"]
    )
    first, *_ = doctor.packages()
    assert first == Finding(
        "no-such-package",
        Health.FAULT,
        "absent, and tuner needs >=3",
        "pip install 'no-such-package>=3'",
    )


def test_a_version_that_does_not_do_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.cli.doctor.metadata.requires", lambda name: ["numpy<1"])
    first, *_ = doctor.packages()
    assert first.health is Health.FAULT
    assert first.way_out == "pip install 'numpy<1'"


def test_an_absent_extra_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tuner.cli.doctor.metadata.requires",
        lambda name: ['no-such-package; extra == "dashboard"'],
    )
    (found,) = [one for one in doctor.extras() if one.what == "dashboard"]
    assert found.health is Health.NOTE
    assert found.way_out == "pip install 'tuner[dashboard]'"


def test_an_old_python_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    Version = namedtuple("Version", "major minor micro")
    monkeypatch.setattr("tuner.cli.doctor.sys.version_info", Version(3, 10, 1))
    assert list(doctor.python()) == [
        Finding("Python", Health.NOTE, "3.10.1", "tuner is tested on 3.11 to 3.13")
    ]


def test_a_folder_that_takes_nothing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tuner.cli.doctor.tempfile.TemporaryFile", closed)
    (found,) = doctor.folder(Path("/"))
    assert found == Finding(
        "results", Health.FAULT, "/: Permission denied", "--results another folder"
    )


def test_too_little_memory_says_how_many_trials_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_cpus", lambda: 4)
    monkeypatch.setattr(
        "tuner.cli.doctor.psutil.virtual_memory", lambda: SimpleNamespace(available=1.5 * 2**30)
    )
    (found,) = doctor.memory()
    assert found.health is Health.NOTE
    assert found.way_out.startswith("--concurrency 2,")


def test_a_tensorflow_that_does_not_import_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ASK_TENSORFLOW", "raise ImportError('no AVX here')")
    (found,) = doctor.tensorflow()
    assert found.health is Health.FAULT
    assert found.said == "ImportError: no AVX here"

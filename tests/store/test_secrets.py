"""A ledger's password is nowhere in a study's folder, however it was given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from analysis.report import write_report
from tests.made_study import make_study
from tuner.errors import StudyError
from tuner.store.passwords import with_password
from tuner.store.resume_checks import resumed_storage
from tuner.store.study_json import StudyFile

SECRET = "s3cr/et@word"
URL = f"postgresql://me:{SECRET}@host/db?sslpassword={SECRET}"


@pytest.mark.parametrize("typed", [["--storage", URL], [f"--storage={URL}"]])
def test_no_file_holds_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    monkeypatch.setattr(sys, "argv", ["tuner", "run", "mine.py", *typed])
    monkeypatch.setenv("TUNER_STORAGE", URL)
    make_study(study)
    assert "--storage" in StudyFile.read(study).command
    content = json.loads((study / "study.json").read_text())
    # As earlier versions wrote it: then the report must not show it either.
    earlier = json.dumps({**content, "command": f"python -m tuner run x {' '.join(typed)}"})
    files = [path for path in study.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    (study / "study.json").write_text(earlier)
    assert SECRET not in write_report([study]).read_text()


def test_the_environment_gives_the_password_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = "postgresql://me:***@host/db"
    with pytest.raises(StudyError, match=r"give its password too, best .* as TUNER_STORAGE"):
        resumed_storage(stored, None)
    monkeypatch.setenv("TUNER_STORAGE", "postgresql://me:other@elsewhere/db")
    with pytest.raises(StudyError, match="give its password too"):
        resumed_storage(stored, None)
    monkeypatch.setenv("TUNER_STORAGE", "postgresql://me:right@host/db")
    assert resumed_storage(stored, None) == "postgresql://me:right@host/db"
    assert resumed_storage(None, None) is None


def test_a_password_is_found_in_the_passfile_as_libpq_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgpass"
    file.write_text(
        "# a comment: with colons\nother:5432:db:me:wrong\nhost:*:db:me:ri\\:ght\n*:*:*:*:any\n"
    )
    monkeypatch.setenv("PGPASSFILE", str(file))
    monkeypatch.delenv("TUNER_STORAGE", raising=False)
    file.chmod(0o600)
    hidden = "postgresql://me:***@host/db"
    assert with_password(hidden) == "postgresql://me:ri%3Aght@host/db"
    assert resumed_storage(hidden, None) == "postgresql://me:ri%3Aght@host/db"
    assert with_password("postgresql+psycopg://you:***@x/y") == "postgresql+psycopg://you:any@x/y"
    assert with_password("postgresql://me@host/db") == "postgresql://me@host/db"  # libpq looks
    file.chmod(0o644)  # others may read it
    with pytest.raises(StudyError, match="give its password too"):
        with_password(hidden)


def test_a_password_that_nothing_holds_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    monkeypatch.delenv("TUNER_STORAGE", raising=False)
    asked: list[str] = []

    def ask(whose: str) -> str:
        asked.append(whose)
        return "ty/ped"

    hidden = "mysql://me:***@host/db"
    assert with_password(hidden, ask) == "mysql://me:ty%2Fped@host/db"
    assert asked == ["password of mysql://me:***@host/db"]
    with pytest.raises(StudyError, match="give its password too"):
        with_password(hidden, lambda whose: "")

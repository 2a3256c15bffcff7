"""A study's folder: taken once, left as it was by what never began, and never written out of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.errors import ResultsError, StudyError
from tuner.store.database_lock import ledger_locked
from tuner.store.folder import locked, make_folder, new_study_path, remove_begun

HOLDS = (
    "import sys; from pathlib import Path; from tuner.store.folder import file_locked\n"
    "with file_locked(Path(sys.argv[1]), 'mine'): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of the study `results/mine`."""
    (tmp_path / "results" / "mine").mkdir(parents=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "results" / "mine" / "lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_what_never_began_is_taken_away_and_its_neighbours_stay(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results" / "mine"
    top = make_folder(path)
    (path / "study.json").touch()
    (path / "reports.parquet").mkdir()
    (path / "reports.parquet" / "part-00000.parquet").touch()
    neighbour = tmp_path / "new" / "results" / "theirs"
    neighbour.mkdir()
    remove_begun(path, top)
    assert not path.exists()
    assert neighbour.exists()
    again = make_folder(path)
    neighbour.rmdir()
    remove_begun(path, tmp_path / "new")
    assert again == path
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "results" / "mine"
    top = make_folder(path)
    (path / "study.json").touch()
    (path / "notes.txt").write_text("mine")
    remove_begun(path, top)
    assert [file.name for file in path.iterdir()] == ["notes.txt"]


def test_what_another_holds_is_not_touched(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    path = tmp_path / "results" / "mine"
    (path / "study.json").write_text("{}")
    remove_begun(path, tmp_path / "results")
    assert (path / "study.json").exists()
    with pytest.raises(StudyError, match=f"is being run by process {holder.pid} on"), locked(path):
        pass


def test_a_name_that_only_a_lock_is_left_of_can_be_taken(tmp_path: Path) -> None:
    path = tmp_path / "results" / "mine"
    make_folder(path)
    (path / "lock").write_text("process 1 on nowhere")
    assert new_study_path(tmp_path / "results", "mine", "mine") == path
    assert new_study_path(tmp_path / "results", "mine", None) == path
    make_folder(path)
    (path / "study.json").touch()
    with pytest.raises(StudyError, match="study 'mine' exists"):
        new_study_path(tmp_path / "results", "mine", "mine")


def test_a_name_that_is_just_being_taken_is_not_free(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StudyError, match="study 'mine' exists"):
        new_study_path(tmp_path / "results", "mine", "mine")


@pytest.mark.parametrize("name", ["lock", "journal.log", "logs", "reports.parquet/part-1.parquet"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine"
    (path / name).parent.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (path / name).symlink_to(outside)
    with pytest.raises(ResultsError, match=f"{name} is a symbolic link that leads out"):
        locked(path).__enter__()
    assert outside.read_text() == "mine"


def test_a_link_inside_the_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "mine" / "files").mkdir(parents=True)
    (tmp_path / "mine" / "files" / "last").symlink_to("first")
    with locked(tmp_path / "mine"):
        pass


def test_a_second_driver_on_an_sqlite_ledger_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/all.db"
    with ledger_locked(url, "mine"):
        with pytest.raises(StudyError, match="'mine' is being run by process"):
            ledger_locked(url, "mine").__enter__()
        with ledger_locked(url, "another"), ledger_locked("sqlite://", "mine"):
            pass
    with ledger_locked(url, "mine"):
        pass

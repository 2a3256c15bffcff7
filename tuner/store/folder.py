"""A study's folder: its name, its lock, and study.json."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from tuner.errors import ResultsError, StudyError
from tuner.experiment.checks import NAME_RULE
from tuner.files import sync_folder
from tuner.shown import shown
from tuner.store.layout import (
    FILES_FOLDER,
    JOURNAL_FILE,
    LEARNED_FILE,
    LOCK_FILE,
    LOGS_FOLDER,
    MARK_FILE,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
    STUDY_FILE,
    TENSORBOARD_FOLDER,
    TRIALS_FILE,
)
from tuner.store.links import check_links
from tuner.store.study_json import StudyFile

RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray's job tool in what it runs."""


def study_path(results: Path, name: str) -> Path:
    """The folder of study `name`. Raises StudyError for a name that would leave `results`."""
    if not NAME_RULE.match(name):
        raise StudyError(
            f"study name {name!r} may hold letters, digits, '_', '-' and '.' only, "
            "100 at most, and starts with none of '-' and '.'"
        )
    path = results / name
    if path.is_symlink():
        raise StudyError(f"{path} is a symbolic link, which could lead out of the results folder")
    return path


def new_study_path(results: Path, experiment: str, name: str | None) -> Path:
    """The folder for a new study: `name`'s, or the first free of `experiment`, `experiment-2`, ...

    Raises StudyError if `name` is taken.
    """
    if name is not None:
        path = study_path(results, name)
        if path.exists() and not _never_began(path):
            raise StudyError(
                f"study {name!r} exists in {results}",
                field="study",
                way_out="add `resume` to go on with it, or give another name",
            )
        return path
    found = _numbered(results, experiment)
    taken = {number for number, path in found if not _never_began(path)}
    number = next(n for n in range(1, len(taken) + 2) if n not in taken)
    return study_path(results, experiment if number == 1 else f"{experiment}-{number}")


def existing_study_path(results: Path, experiment: str | None, name: str | None) -> Path:
    """The folder to resume: `name`'s, or the newest study of `experiment`."""
    if name is not None:
        path = study_path(results, name)
        if not (path / STUDY_FILE).is_file():
            raise StudyError(f"no study {name!r} in {results} to resume; {_studies_line(results)}")
        return path
    ours = [path for _, path in _numbered(results, experiment or "")]
    ours = [path for path in ours if (path / STUDY_FILE).is_file()]
    if not ours:
        raise StudyError(
            f"no study of {experiment!r} in {results} to resume; {_studies_line(results)}"
        )
    return max(ours, key=lambda path: StudyFile.read(path).created_at)


def _numbered(results: Path, experiment: str) -> Iterator[tuple[int, Path]]:
    pattern = re.compile(re.escape(experiment) + r"(?:-([1-9][0-9]*))?\Z")
    if not results.is_dir():
        return
    for path in results.iterdir():
        match = pattern.match(path.name)
        if match:
            yield int(match[1] or 1), path


def _studies_line(results: Path) -> str:
    names = sorted(path.parent.name for path in results.glob(f"*/{STUDY_FILE}"))
    return f"it holds: {', '.join(names)}" if names else "it holds no study"


def check_place(results: Path) -> None:
    """Raise ResultsError for a folder that a submitted Ray job would lose with its working copy."""
    if RAY_JOB in os.environ and not results.is_absolute():
        raise ResultsError(
            f"results folder {str(results)!r} would lie in Ray's disposable copy of the working "
            "folder",
            field="results",
            way_out="give an absolute path on a disk that stays",
        )


def make_folder(path: Path) -> Path:
    """Make a new study's folder; the uppermost folder that was made for it.

    Raises ResultsError where that can't be done.
    """
    top = path
    while not top.parent.exists():
        top = top.parent
    try:
        path.mkdir(parents=True, exist_ok=_never_began(path))
        sync_folder(path.parent)
        return top
    except FileExistsError:
        raise StudyError(f"study folder {path} appeared meanwhile; run again") from None
    except OSError as error:
        raise ResultsError(
            f"results folder {path.parent} cannot be written ({error.strerror})",
            field="results",
            way_out="give another",
        ) from None


def remove_begun(path: Path, top: Path) -> None:
    """Take away what a run that never began has written, and no more: files by their names.

    Then the folders that are empty, up to `top`, the uppermost that was made for it. Nothing is
    touched while another process holds the study.
    """
    parts = [path / REPORTS_FOLDER / f"part-0000{number}.parquet" for number in (0, 1)]
    names = (STUDY_FILE, LEARNED_FILE, JOURNAL_FILE, REPORT_LOG_FILE, TRIALS_FILE, MARK_FILE)
    try:
        with locked(path):
            for file in (*parts, *(path / name for name in names), path / LOCK_FILE):
                file.unlink(missing_ok=True)
    except (StudyError, ResultsError):
        return
    inner = (REPORTS_FOLDER, FILES_FOLDER, LOGS_FOLDER, TENSORBOARD_FOLDER)
    for folder in (*(path / name for name in inner), path, *path.parents):
        if folder.is_dir():
            try:
                folder.rmdir()
            except OSError:  # something of another's is in it
                if folder in (path, *path.parents):
                    return
        if folder == top:
            return


def _never_began(path: Path) -> bool:
    """Whether a folder holds at most the lock of a run that was killed as it started."""
    if path.is_symlink() or not path.is_dir():
        return False
    if any(file.name != LOCK_FILE for file in path.iterdir()):
        return False
    try:
        with locked(path):
            return True
    except (StudyError, ResultsError):
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the study's lock, where nothing in its folder leads out of it.

    Raises StudyError naming the host and process that hold it.
    """
    check_links(path)
    with file_locked(path / LOCK_FILE, path.name):
        yield


@contextmanager
def file_locked(file: Path, study: str) -> Iterator[None]:
    """Hold the lock that a file is. The system releases it when this process ends, however it ends.

    Raises StudyError naming the host and process that hold it.
    """
    lock = FileLock(file, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        holder = shown(file.read_text(errors="replace")[:200].strip(), keep="") or "another process"
        raise StudyError(
            f"study {study!r} is being run by {holder}; wait for it, or end it"
        ) from None
    except OSError as error:
        raise ResultsError(f"{file.parent} cannot be written ({error.strerror})") from None
    try:
        with suppress(OSError):  # a full disk: it is the lock that counts, not the name in it
            file.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        lock.release()

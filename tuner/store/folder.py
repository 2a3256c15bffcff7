"""A study's folder: its name, its lock, and study.json."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tuner.errors import ResultsError, StudyError
from tuner.experiment.experiment import NAME_RULE
from tuner.store.layout import LOCK_FILE, STUDY_FILE
from tuner.store.study_json import read_study_json

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
        if path.exists():
            raise StudyError(
                f"study {name!r} exists in {results}",
                field="study",
                way_out="add `resume` to go on with it, or give another name",
            )
        return path
    taken = {number for number, _ in _numbered(results, experiment)}
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
    return max(ours, key=lambda path: read_study_json(path)["created_at"])


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
        path.mkdir(parents=True)
        return top
    except FileExistsError:
        raise StudyError(f"study folder {path} appeared meanwhile; run again") from None
    except OSError as error:
        raise ResultsError(
            f"results folder {path.parent} cannot be written ({error.strerror})",
            field="results",
            way_out="give another",
        ) from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the study's lock. The system releases it when this process ends, however it ends.

    Raises StudyError naming the host and process that hold it.
    """
    try:
        file = (path / LOCK_FILE).open("a+")
    except OSError as error:
        raise ResultsError(f"study {path} cannot be written ({error.strerror})") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StudyError(
                f"study {path.name!r} is being run by {holder}; wait for it, or end it"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        with suppress(OSError):  # a full disk: it is the lock that counts, not the name in it
            file.flush()
        yield

"""What a study's folder on this machine says of its copy at a URI: mirror.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tuner.files import put_bytes
from tuner.store.generations import Manifest
from tuner.store.layout import LOCK_FILE, MARK_FILE, STUDY_FILE

Id = tuple[int, str]
State = tuple[int, int, int]
"""Of a file: when it was changed (ns), its size, its inode. Any other means that it changed."""


@dataclass(frozen=True)
class Mark:
    """`based` is the generation that the folder had, `tried` the one that it was to become; `files`
    as they were then."""

    study: str
    based: Id
    tried: Id
    files: Mapping[str, State] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        put_bytes(path / MARK_FILE, json.dumps(asdict(self)).encode())

    def is_current(self, there: Manifest) -> bool:
        """Whether the folder holds all that generation `there`, the newest, does: it was made from
        the folder, or there were newer ones of the folder's, and the URI went back."""
        mine = there.study == self.study
        return mine and (there.id in (self.based, self.tried) or there.generation < self.based[0])


def read_mark(path: Path) -> Mark | None:
    """The mark in a study's folder; None if it has none that can be read."""
    try:
        given = json.loads((path / MARK_FILE).read_text())
        files = {str(name): tuple(state) for name, state in given["files"].items()}
        return Mark(given["study"], tuple(given["based"]), tuple(given["tried"]), files)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def state_of(file: Path) -> State:
    """Raises FileNotFoundError."""
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def files_of(path: Path) -> dict[str, Path]:
    """A study's files by their names below its folder, but for those of this machine alone."""
    return {
        file.relative_to(path).as_posix(): file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and not file.name.startswith(".")
        and file.name not in (LOCK_FILE, MARK_FILE)
    }


def states(path: Path) -> dict[str, State]:
    """The states of a study's files."""
    return {name: state_of(file) for name, file in files_of(path).items()}


def holds_unsent(path: Path, mark: Mark | None) -> bool:
    """Whether a folder holds what no generation was made of: more than it was fetched or put as."""
    had = {} if mark is None else mark.files
    now = states(path)
    return any(now.get(name) != had.get(name) for name in (now.keys() | had.keys()) - {STUDY_FILE})

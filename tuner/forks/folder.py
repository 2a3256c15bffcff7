"""Where the fork servers of a node are found: in a folder that its user alone may enter.

A folder has an owner, a process: the driver that made it, or a node's raylet. What lies in it ends
with its owner.
"""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from pathlib import Path

from tuner.errors import EngineError

NAMED = "TUNER_FORKS"
"""In the environment: a folder that others made, for many drivers to share its servers."""
LONGEST_TEMP = 60
"""A socket's path may have 107 characters, and lies 45 below the temporary folder."""
OWNER = "owner"
PREFIX = "tuner-forks-"

_mine: dict[int, Path] = {}


def own_folder() -> Path:
    """The folder that the environment names, or else this process' own, made when first asked for
    and removed with it."""
    named = os.environ.get(NAMED)
    if named and (Path(named) / OWNER).exists():
        return Path(named)
    if os.getpid() not in _mine or not _mine[os.getpid()].exists():
        _mine[os.getpid()] = make_folder()
    return _mine[os.getpid()]


def make_folder() -> Path:
    """A new folder, owned by this process."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_temp()))
    (folder / OWNER).write_text(str(os.getpid()))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def shared_folder(name: str, owner: int) -> Path:
    """The folder of this name, which belongs to a process that others know too.

    Raises EngineError where somebody else has made one of its name.
    """
    folder = _temp() / f"{PREFIX}{os.getuid()}-{name[:16]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o077:
        raise EngineError(f"{folder} is not a folder that this user alone may enter; remove it")
    (folder / OWNER).write_text(str(owner))
    return folder


def owner_of(folder: Path) -> int:
    """The process with which a folder ends."""
    return int((folder / OWNER).read_text())


def _temp() -> Path:
    base = tempfile.gettempdir()
    return Path(base if len(base) < LONGEST_TEMP else "/tmp")

"""Finding a fork server, and starting one where none answers."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tuner.forks.folder import owner_of
from tuner.forks.kind import ALONE, Kind

WAITING = 128
"""So many processes may wait for a server that still imports."""

_BOOT = """
import os
if os.fork():  # so that it is nobody's child, whom Ray would end with the worker that started it
    os._exit(0)
import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given.pop("paths")
from tuner.forks.server import run
run(**given)
"""


@cache
def why_not() -> str | None:
    """Why this machine cannot fork trainers; None if it can."""
    if sys.platform != "linux":
        return f"a process that has begun cannot be forked safely on {sys.platform}"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as error:
        return f"this Linux has no pidfd_open ({error})"
    return None


def connected(folder: Path, kind: Kind) -> socket.socket:
    """A connection to the folder's server of this kind, which is started if need be.

    It answers when it has imported what it is to import.
    """
    path = _path(folder, kind)
    with locked(path):
        return _connect(path) or _start(folder, path, kind)


def start(folder: Path, kind: Kind) -> None:
    """Let a server start, without a wait for what it imports."""
    connected(folder, kind).close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else starts or ends the server of this path meanwhile."""
    with path.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _path(folder: Path, kind: Kind) -> Path:
    return folder / f"{kind.digest()}.sock"


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _start(folder: Path, path: Path, kind: Kind) -> socket.socket:
    """The socket listens before its server is there: what connects waits, and no longer than the
    server lives."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening, path.with_suffix(".log").open("ab") as log:
        listening.bind(str(path))
        path.chmod(0o600)
        listening.listen(WAITING)
        given = {
            "paths": [os.path.abspath(entry) for entry in sys.path],
            "modules": kind.modules,
            "path": str(path),
            "listening": listening.fileno(),
            "owner": owner_of(folder),
        }
        subprocess.run(
            [sys.executable, "-P", "-c", _BOOT, json.dumps(given)],
            check=True,
            cwd="/",
            env={**os.environ, **ALONE},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
    connection = _connect(path)
    if connection is None:
        raise ConnectionRefusedError(f"the fork server ended as it started; see {path.parent}")
    return connection

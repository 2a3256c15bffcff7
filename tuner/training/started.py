"""The processes that a training has started: they end with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

SHARED = "resource_tracker"
"""In the command of a helper of multiprocessing's and joblib's, which serves the whole process."""


class Started:
    """What this process starts from now on, other trainings' aside while this one is set aside.

    A process that leaves the family (as a daemon does) is out of sight here; Ray ends the worker's
    whole process group with the worker.
    """

    def __init__(self) -> None:
        self._others = _children()

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Another training's time, whose processes are not this one's."""
        mine = _children() - self._others
        try:
            yield
        finally:
            self._others = _children() - mine

    def end(self) -> None:
        """End them."""
        for process in _children() - self._others:
            with suppress(psutil.NoSuchProcess):
                if not _is_shared(process):
                    process.kill()


def _children() -> set[psutil.Process]:
    """This process's descendants. To ask for none costs a microsecond, to look for some 10 ms."""
    if sys.platform == "linux":
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return set()
    return set(psutil.Process().children(recursive=True))


def _is_shared(process: psutil.Process) -> bool:
    return any(SHARED in word for word in process.cmdline())

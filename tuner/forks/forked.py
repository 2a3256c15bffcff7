"""A forked process' own life: it becomes its client's, makes an object, does what it is told."""

from __future__ import annotations

import ctypes
import gc
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from tuner.tracebacks import failure_text

FORKED, REFUSED, LEFT, NOBODY_LEFT = "forked", "refused:", "left", "none"
"""How a server's answer begins."""
LEAVE, TAKE = b"l", b"t"
"""How a request begins: to keep a process for whom names it, and to have such a one."""
PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
OOM_SCORE = Path("/proc/self/oom_score_adj")

NO_OTHER_RAY = "RAY_ENABLE_AUTO_CONNECT"
"""At "0", a function that asks Ray for something here, where it is not connected, gets an error: it
would start a cluster of its own."""

_libc: list[ctypes.CDLL] = []


def look_for_prctl() -> None:
    """Load what a forked process needs, before it is forked."""
    _libc.append(ctypes.CDLL(None, use_errno=True))


@dataclass(frozen=True)
class Birth:
    """What a forked process takes over from its client."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: str = field(default_factory=os.getcwd)
    paths: Sequence[str] = field(default_factory=lambda: list(sys.path))
    cpus: frozenset[int] = field(default_factory=lambda: frozenset(os.sched_getaffinity(0)))
    niceness: int = field(default_factory=lambda: os.getpriority(os.PRIO_PROCESS, 0))
    oom_score: int = field(default_factory=lambda: int(OOM_SCORE.read_text()))

    def become(self) -> None:
        """Let this process be as the client is."""
        os.environ.clear()
        os.environ.update(self.environment)
        os.environ[NO_OTHER_RAY] = "0"
        os.chdir(self.folder)
        sys.path[:] = self.paths
        with suppress(OSError):  # it has what its server had
            os.sched_setaffinity(0, self.cpus)
            os.setpriority(os.PRIO_PROCESS, 0, max(self.niceness, os.nice(0)))
            OOM_SCORE.write_text(str(self.oom_score))


@dataclass(frozen=True)
class Answer:
    """What a call returned, or the text of what it raised."""

    returned: Any = None
    raised: str | None = None


def be_forked(server: int, descriptors: Sequence[int], others: Sequence[int]) -> NoReturn:
    """Live on as a client's process. `descriptors` are its pipe, its standard output and error."""
    try:
        _leave(server, descriptors, others)
        pipe = Connection(os.dup(descriptors[0]))
        for descriptor in descriptors:
            os.close(descriptor)
        birth: Birth = pipe.recv()
        birth.become()
        gc.enable()
        serve(pipe)
    except (EOFError, OSError):
        os._exit(0)  # its client is gone
    except BaseException:  # noqa: BLE001  # the client reads it in its log, and sees it end
        traceback.print_exc()
    os._exit(1)


def serve(pipe: Connection) -> None:
    """Make the object that is asked for, and answer calls of its methods one after another."""
    function, args = pipe.recv()
    made = _answered(lambda: named(function)(*args))
    pipe.send(Answer(raised=made.raised))
    while True:
        method, args = pipe.recv()
        pipe.send(_answered(lambda m=method, a=args: getattr(made.returned, m)(*a)))  # type: ignore[misc]


def named(function: str) -> Callable[..., Any]:
    """A function by its name, "module:name"."""
    module, _, name = function.partition(":")
    # runs code: ours, which the actor that asked for the process names
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _answered(call: Callable[[], Any]) -> Answer:
    try:
        return Answer(returned=call())
    except Exception as error:  # noqa: BLE001  # it is raised again where it was called
        return Answer(raised=failure_text(error))


def _leave(server: int, descriptors: Sequence[int], others: Sequence[int]) -> None:
    """Be no part of the server any more, but for ending with it."""
    os.setsid()
    for descriptor in others:
        with suppress(OSError):
            os.close(descriptor)
    [libc] = _libc
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it ended meanwhile
        os._exit(0)
    libc.prctl(PR_SET_NAME, b"tuner-trainer")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor, standard in zip(descriptors[1:], (1, 2), strict=True):
        os.dup2(descriptor, standard)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)

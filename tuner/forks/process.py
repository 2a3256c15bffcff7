"""A process that was forked for this one: it makes an object, and does what it is told."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tuner.errors import EngineError
from tuner.forks.forked import FORKED, LEAVE, LEFT, TAKE, Answer, Birth
from tuner.forks.kind import Kind
from tuner.forks.start import connected

LONGEST_ANSWER = 64
TRIES = 3
"""A server may end, idle, as it is asked."""
LAST_WORDS_S = 5.0
"""How long to wait for the server's word on how a process ended."""


class CannotFork(EngineError):
    """A server has another thread, and must not fork, or has no room for it."""


class ProcessDied(EngineError):
    """A forked process has ended; the message says how."""


class Forked:
    """A forked process with an object, made by `function` ("module:name") of `args`.

    One call at a time: `ask`, then `hear`. It ends with this object's `end`, with this process, or
    with its server.
    """

    def __init__(self, folder: Path, kind: Kind, function: str, *args: Any) -> None:
        """Raises CannotFork where its server must not, and what the function raises at the first
        `hear`, whose answer is None."""
        self._pipe, self._server, self.pid = _forked(folder, kind)
        self._send(Birth())
        self._send((function, args))

    @classmethod
    def left(cls, folder: Path, kind: Kind, name: str) -> Forked | None:
        """A process that another client has left by this name, as it was left; None where there is
        none."""
        server = connected(folder, kind)
        pipes: list[int] = []
        with suppress(OSError):
            server.sendall(TAKE + name.encode())
            answer, pipes, _, _ = socket.recv_fds(server, LONGEST_ANSWER, 1)
        if not pipes:
            server.close()
            return None
        taken = cls.__new__(cls)
        taken._pipe, taken._server = Connection(pipes[0]), server
        taken.pid = int(answer.decode().removeprefix(LEFT))
        return taken

    def ask(self, method: str, *args: Any) -> None:
        """Have a method of the object called."""
        self._send((method, args))

    def hear(self, wait_s: float | None = None) -> Any:
        """What the call returned.

        Raises TimeoutError where it takes longer than `wait_s`, EngineError with the text of what
        it raised, and ProcessDied.
        """
        try:
            if not self._pipe.poll(wait_s):
                raise TimeoutError
            answer: Answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise ProcessDied(self._how_it_ended()) from None
        if answer.raised is not None:
            raise EngineError(answer.raised)
        return answer.returned

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the object."""
        self.ask(method, *args)
        return self.hear()

    def is_alive(self) -> bool:
        """Whether the process, of which nothing is asked, is there."""
        try:
            return not self._pipe.poll(0)
        except OSError:
            return False

    def end(self) -> None:
        """Kill the process."""
        self._pipe.close()
        self._server.close()  # which sees it, and kills

    def leave(self, name: str) -> None:
        """Leave the process, of which nothing is asked, to who takes it by this name. It is ended
        where nobody does for a while."""
        with suppress(OSError):  # it has ended, and then there is nothing to leave
            socket.send_fds(self._server, [LEAVE + name.encode()], [self._pipe.fileno()])
            _line(self._server)
        self.end()

    def _send(self, what: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # `hear` will say how it ended
            self._pipe.send(what)

    def _how_it_ended(self) -> str:
        self._server.settimeout(LAST_WORDS_S)
        try:
            code = int(self._server.makefile().readline())
        except (OSError, ValueError):
            return "the worker died (killed, crashed, or out of memory)"
        how = f"exit code {code}"
        if code < 0:
            with suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        return f"the worker died (killed, crashed, or out of memory): {how}"


def _forked(folder: Path, kind: Kind) -> tuple[Connection, socket.socket, int]:
    for attempt in range(TRIES):
        server = connected(folder, kind)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(server, [b"f"], [theirs.fileno(), 1, 2])
                answer = _line(server)
            except OSError:
                answer = ""
        first, _, rest = answer.partition(" ")
        if first == FORKED:
            return Connection(ours.detach()), server, int(rest)
        server.close()
        ours.close()
        if answer:
            raise CannotFork(f"the fork server refuses: {rest}")
        if attempt == TRIES - 1:
            log = next(iter(sorted(folder.glob("*.log"), key=os.path.getmtime, reverse=True)), None)
            said = log.read_text(errors="replace").strip().splitlines() if log else []
            raise EngineError(f"a fork server ended as it started: {' '.join(said[-1:])}")
    raise AssertionError


def _line(server: socket.socket) -> str:
    """The server's answer; empty where it ended. It comes byte by byte, as another line, on how the
    process ended, may follow at any time."""
    read = bytearray()
    while byte := server.recv(1):
        if byte == b"\n":
            return read.decode()
        read += byte
    return ""

"""A fork server: imports once, and forks a process for everybody who asks.

It has one thread, and runs nothing of a user's, nor any operation of TensorFlow's: so a fork finds
no lock held and no GPU in use. Who asks holds a connection as long as it wants its process. It ends
with its folder's owner, or after some idle minutes, but never before what it has forked.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tuner.forks.forked import (
    FORKED,
    LEAVE,
    LEFT,
    NOBODY_LEFT,
    REFUSED,
    TAKE,
    be_forked,
    look_for_prctl,
)
from tuner.forks.start import locked

IDLE_S = 300.0
"""A server that nobody has asked for so long ends."""
LEFT_S = 30.0
"""A process that was left is ended when nobody has taken it for so long."""
PASSED = 3
"""A request to fork is a byte with so many descriptors: the process' pipe, standard output and
error. All else goes through that pipe, past the server."""
LONGEST = 64
"""A request to leave or take a process has its name."""


class Left(NamedTuple):
    """A process that waits to be taken: by its name, with its pipe's other end, until a time."""

    name: bytes
    pid: int
    pipe: int
    until: float


class Server:
    """Forks, and ends what its client has left."""

    def __init__(self, path: Path, listening: socket.socket, owner: int) -> None:
        self._path = path
        self._owner = owner
        self._listening = listening
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, int] = {}
        """Each client's process; 0 while it has none."""
        self._pids: dict[int, int] = {}
        """The processes by their pidfds."""
        self._left: list[Left] = []
        self._open = True

    def serve(self) -> None:
        """Serve until the end."""
        owner = _pidfd(self._owner)
        if owner is None:
            self._close()
        else:
            self._selector.register(owner, selectors.EVENT_READ, lambda _: self._owner_gone(owner))
            self._listening.setblocking(False)
            self._selector.register(self._listening, selectors.EVENT_READ, lambda _: self._accept())
        while self._open or self._pids:
            ready = self._selector.select(self._patience())
            if not ready and not self._clients and not self._left:
                self._close()
            self._end_left(time.monotonic())
            for key, _ in ready:
                key.data(key.fileobj)

    def _patience(self) -> float | None:
        """How long to wait for a request."""
        if self._left:
            return max(0.0, self._left[0].until - time.monotonic())
        return None if self._clients else IDLE_S

    def _end_left(self, now: float) -> None:
        """End the processes for which nobody came."""
        for left in self._left:
            if left.until <= now:
                _kill(left.pid)
        self._forget_left([left for left in self._left if left.until <= now])

    def _forget_left(self, ones: Sequence[Left]) -> None:
        for left in ones:
            self._left.remove(left)
            os.close(left.pipe)

    def _owner_gone(self, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        self._end_left(float("inf"))
        self._close()
        shutil.rmtree(self._path.parent, ignore_errors=True)

    def _close(self) -> None:
        """Take no more clients: those who come find no server, and start another."""
        if not self._open:
            return
        self._open = False
        with suppress(OSError), locked(self._path):  # the folder may be gone
            self._path.unlink(missing_ok=True)
        with suppress(KeyError):
            self._selector.unregister(self._listening)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            client, _ = self._listening.accept()
            client.setblocking(True)
            self._clients[client] = 0
            self._selector.register(client, selectors.EVENT_READ, self._hear)

    def _hear(self, client: socket.socket) -> None:
        """A client asks for a process, leaves the one that it has, or is gone."""
        if client not in self._clients:
            return  # its process has ended, of which the same look has told already
        try:
            asked, descriptors, _, _ = socket.recv_fds(client, LONGEST, PASSED)
        except OSError:
            asked, descriptors = b"", []
        pid = self._clients[client]
        if pid and asked.startswith(LEAVE):
            until = time.monotonic() + LEFT_S
            self._left.append(Left(asked[len(LEAVE) :], pid, descriptors.pop(), until))
            self._clients[client] = 0
            _say(client, LEFT)
        elif pid:  # it is gone
            self._selector.unregister(client)
            _kill(pid)
        elif asked.startswith(TAKE):
            self._give(client, asked[len(TAKE) :])
        elif len(descriptors) == PASSED:
            self._fork(client, descriptors)
        else:
            self._forget(client)
        for descriptor in descriptors:
            os.close(descriptor)

    def _give(self, client: socket.socket, name: bytes) -> None:
        """Let a client have a process that was left by this name, if there is one."""
        left = next((left for left in self._left if left.name == name), None)
        if left is None:
            _say(client, NOBODY_LEFT)
            return
        with suppress(OSError):  # it is gone, of which the next look tells
            socket.send_fds(client, [f"{LEFT} {left.pid}\n".encode()], [left.pipe])
        self._clients[client] = left.pid
        self._forget_left([left])

    def _fork(self, client: socket.socket, descriptors: Sequence[int]) -> None:
        threads = _threads()
        if len(threads) > 1:
            _say(client, f"{REFUSED} it has other threads ({', '.join(threads)})")
            return
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # too many processes, or too little memory
            _say(client, f"{REFUSED} {error}")
            return
        if pid == 0:
            others = [key.fd for key in self._selector.get_map().values()]
            pipes = [left.pipe for left in self._left]
            be_forked(server, descriptors, [*others, *pipes, self._selector.fileno()])
        pidfd = os.pidfd_open(pid)
        self._clients[client] = pid
        self._pids[pidfd] = pid
        self._selector.register(pidfd, selectors.EVENT_READ, self._ended)
        _say(client, f"{FORKED} {pid}")

    def _ended(self, pidfd: int) -> None:
        """A process has ended: say how, and leave nothing of what it had started."""
        self._selector.unregister(pidfd)
        os.close(pidfd)
        pid = self._pids.pop(pidfd)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self._forget_left([left for left in self._left if left.pid == pid])
        for client in [client for client, has in self._clients.items() if has == pid]:
            _say(client, str(os.waitstatus_to_exitcode(status)))
            self._forget(client)

    def _forget(self, client: socket.socket) -> None:
        del self._clients[client]
        with suppress(KeyError):
            self._selector.unregister(client)
        client.close()


def run(modules: Sequence[str], path: str, listening: int, owner: int) -> None:
    """What a server's process does. `listening` is a socket's descriptor, `owner` a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is its clients' matter
    look_for_prctl()
    gc.disable()  # collections take a fifth of the import's time, and find nothing
    for module in modules:
        # runs code: ours and libraries', which the driver or an actor names
        importlib.import_module(module)
    sys.argv[1:] = []
    gc.collect()
    gc.freeze()  # nor does a collection write to pages that are shared
    Server(Path(path), socket.socket(fileno=listening), owner).serve()


def _say(client: socket.socket, line: str) -> None:
    with suppress(OSError):  # it is gone, of which the next look tells
        client.sendall(line.encode() + b"\n")


def _threads() -> list[str]:
    tasks = Path("/proc/self/task")
    return [(task / "comm").read_text().strip() for task in tasks.iterdir()]


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _kill(pid: int) -> None:
    """End a process, and its group once it has one."""
    for end in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)

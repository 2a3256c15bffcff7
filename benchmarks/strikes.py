"""The faults of the campaign: how each strikes a run, and why some can't here."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import psutil

TMPFS = "48m"
HOLD_S = 12.0
"""How long at most a disk stays full, or a folder closed: the driver ends before, as a rule."""
WORKERS = ("ray::Worker", "ray::LaneActor")
TRAINER, FORK_SERVER = "tuner-trainer", "tuner.forks.server"


@dataclass(frozen=True)
class Run:
    """A run under fire: its driver, its study, and the folder where orders are laid.

    `nodes` is where a line cuts a node of its cluster; None for a run that has none.
    """

    driver: psutil.Process
    study: Path
    orders: Path
    random: random.Random
    nodes: IO[str] | None = None
    roots: list[psutil.Process] = field(default_factory=list)

    def workers(self) -> list[psutil.Process]:
        """The actors whose processes train, those aside that hang."""
        return self._working(self._children(), lambda one: _line(one).startswith(WORKERS))

    def of_ray(self, name: str) -> list[psutil.Process]:
        """The processes of Ray itself by a name: raylet, gcs_server."""
        return self._working(self._children(), lambda one: one.name() == name)

    def trainers(self) -> list[psutil.Process]:
        """The processes that train, which a fork server made for the actors."""
        return self._working(self._forks(), lambda one: one.name() == TRAINER)

    def fork_servers(self) -> list[psutil.Process]:
        """The processes that those were forked from."""
        parents = {trainer.ppid() for trainer in self.trainers()}
        return self._working(self._forks(), lambda one: one.pid in parents)

    def _children(self) -> Iterator[psutil.Process]:
        for root in (self.driver, *self.roots):
            with contextlib.suppress(psutil.Error):
                yield from root.children(recursive=True)

    def _forks(self) -> Iterator[psutil.Process]:
        """Fork servers are nobody's children; they know whose they are."""
        owner = f'"owner": {self.driver.pid}'
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = _line(one)
                if FORK_SERVER in line and owner in line:
                    yield one

    @staticmethod
    def _working(
        of: Iterable[psutil.Process], wanted: Callable[[psutil.Process], bool]
    ) -> list[psutil.Process]:
        found = []
        for one in of:
            with contextlib.suppress(psutil.Error):
                if wanted(one) and one.status() not in ("stopped", "zombie"):
                    found.append(one)
        return found

    def ended(self) -> bool:
        """Whether the driver has ended; a zombie has."""
        try:
            return self.driver.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def to_driver(number: signal.Signals, run: Run) -> bool:
    run.driver.send_signal(number)
    return True


def to_one(which: str, number: signal.Signals, run: Run) -> bool:
    """Send a signal to one of the run's processes of a kind."""
    ones = PROCESSES[which](run)
    if ones:
        run.random.choice(ones).send_signal(number)
    return bool(ones)


def order(name: str, run: Run) -> bool:
    """Lay an order; whether a trial took it."""
    path = run.orders / name
    path.touch()
    until = time.monotonic() + HOLD_S
    while path.exists() and not run.ended() and time.monotonic() < until:
        time.sleep(0.02)
    taken = not path.exists()
    path.unlink(missing_ok=True)
    return taken


def fill_disk(run: Run) -> bool:
    """Take all that is left of the disk of the results, until the driver has ended."""
    filler = run.study.parent / "filler"
    try:
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        _hold(run)
    finally:
        filler.unlink()
    return True


def close_folder(run: Run) -> bool:
    """Let nobody make a file in the study's folder, until the driver has ended."""
    with closed(run.study):
        _hold(run)
    return True


def cut_node(run: Run) -> bool:
    """Kill all processes of a node of the cluster; another joins at once."""
    assert run.nodes is not None
    run.nodes.write("cut\n")
    run.nodes.flush()
    return True


PROCESSES: dict[str, Callable[[Run], list[psutil.Process]]] = {
    "actor": Run.workers,
    "trainer": Run.trainers,
    "fork server": Run.fork_servers,
    "raylet": lambda run: run.of_ray("raylet"),
    "GCS": lambda run: run.of_ray("gcs_server"),
}
ON_MACHINE: dict[str, Callable[[Run], bool]] = {
    "driver KILL": partial(to_driver, signal.SIGKILL),
    "driver INT": partial(to_driver, signal.SIGINT),
    "driver TERM": partial(to_driver, signal.SIGTERM),
    **{f"{name} KILL": partial(to_one, name, signal.SIGKILL) for name in PROCESSES},
    "actor STOP": partial(to_one, "actor", signal.SIGSTOP),
    "trainer STOP": partial(to_one, "trainer", signal.SIGSTOP),
    "raise": partial(order, "raise"),
    "memory": partial(order, "memory"),
    "full disk": fill_disk,
    "read-only": close_folder,
}
ON_CLUSTER: dict[str, Callable[[Run], bool]] = {"node cut": cut_node}


def impossible(folder: Path) -> dict[str, str]:
    """The faults that can't be injected here, and why; `folder` is where the results will lie."""
    found = {}
    if not os.path.ismount(folder):
        found["full disk"] = "no tmpfs could be mounted"
    try:
        with closed(folder):
            (folder / "try").touch()
        (folder / "try").unlink()
        found["read-only"] = "its permissions do not bind this user"
    except PermissionError:
        pass
    except subprocess.CalledProcessError as error:
        found["read-only"] = f"chattr failed: {error.stderr.strip()}"
    return found


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """A folder in which nobody may make or rename a file; root only heeds the immutable flag."""
    if os.geteuid():
        folder.chmod(0o555)
    else:
        _chattr("+i", folder)
    try:
        yield
    finally:
        if os.geteuid():
            folder.chmod(0o755)
        else:
            _chattr("-i", folder)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs at `folder`, where we may mount one; else the folder stays as it is."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "tuner-faults", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _line(process: psutil.Process) -> str:
    return " ".join(process.cmdline())


def _chattr(flag: str, folder: Path) -> None:
    subprocess.run(["chattr", flag, str(folder)], capture_output=True, text=True, check=True)


def _hold(run: Run) -> None:
    until = time.monotonic() + HOLD_S
    while not run.ended() and time.monotonic() < until:
        time.sleep(0.02)

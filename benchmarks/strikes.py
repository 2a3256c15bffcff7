"""The faults of the campaign: how each strikes a run, and why some can't here."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import psutil

TMPFS = "48m"
HOLD_S = 12.0
"""How long at most a disk stays full, or a folder closed: the driver ends before, as a rule."""
WORKERS = ("ray::Worker", "ray::LaneActor")


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
        """The processes that train, those aside that hang."""
        found = []
        for root in (self.driver, *self.roots):
            with contextlib.suppress(psutil.Error):
                for child in root.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        is_one = " ".join(child.cmdline()).startswith(WORKERS)
                        if is_one and child.status() not in ("stopped", "zombie"):
                            found.append(child)
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


def to_worker(number: signal.Signals, run: Run) -> bool:
    workers = run.workers()
    if workers:
        run.random.choice(workers).send_signal(number)
    return bool(workers)


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


ON_MACHINE: dict[str, Callable[[Run], bool]] = {
    "driver KILL": partial(to_driver, signal.SIGKILL),
    "driver INT": partial(to_driver, signal.SIGINT),
    "driver TERM": partial(to_driver, signal.SIGTERM),
    "worker KILL": partial(to_worker, signal.SIGKILL),
    "worker STOP": partial(to_worker, signal.SIGSTOP),
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


def _chattr(flag: str, folder: Path) -> None:
    subprocess.run(["chattr", flag, str(folder)], capture_output=True, text=True, check=True)


def _hold(run: Run) -> None:
    until = time.monotonic() + HOLD_S
    while not run.ended() and time.monotonic() < until:
        time.sleep(0.02)

"""A cluster of one node with Ray's job server, started as `ray start` starts one."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.conftest import end_all
from tests.sharing.local_ray import until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Head:
    """A head: its address and its job server's, and the environment of whoever has its token."""

    address: str
    http: str
    environment: dict[str, str]

    def tuner(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What a `tuner` command for this cluster prints, and its exit code."""
        return subprocess.run(
            [sys.executable, "-m", "tuner", *words, "--address", self.address],
            env={**self.environment, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip


@contextmanager
def head(cpus: int) -> Iterator[Head]:
    """A head of so many logical CPUs, ended with all of its processes."""
    folder = Path(tempfile.mkdtemp(prefix="head", dir="/tmp"))  # paths of sockets must be short
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_prestart_worker_first_driver": "0",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # where jobs find python
        "TUNER_USER": "ann",
    }
    port, *others = free_ports(4)
    names = ("dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
    command = [
        sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
        f"--port={port}", f"--num-cpus={cpus}", f"--temp-dir={folder / 'r'}",
        "--node-ip-address=127.0.0.1", f"--object-store-memory={100 << 20}",
        *(f"--{name}={other}" for name, other in zip(names, others, strict=True)),
    ]  # fmt: skip
    with (folder / "said").open("w") as said:
        started = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
    try:
        until(lambda: "Ray runtime started" in (folder / "said").read_text() or started.poll())
        assert started.poll() is None, (folder / "said").read_text()
        yield Head(f"127.0.0.1:{port}", f"http://127.0.0.1:{others[0]}", environment)
    finally:
        family = psutil.Process(started.pid).children(recursive=True)
        started.kill()  # by itself it takes half a minute
        started.wait()
        end_all(family)
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    taken = [socket.socket() for _ in range(count)]
    for one in taken:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports

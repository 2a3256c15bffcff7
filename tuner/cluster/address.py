"""The address of a running Ray cluster, tried before anything depends on it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys

from tuner.errors import EngineError

PORT_S = 10.0
"""How long a port may take to open."""
PROBE_S = 20.0
"""How long a cluster may take to answer, once Ray is imported: twenty drivers that start at once
make that slow."""

_PROBE = """
import ray, sys
print("imported", flush=True)
ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')
"""

_VERSIONS = re.compile(r"Version mismatch.*?" + r"Ray: (\S+)\s+Python: (\S+).*?" * 2, re.DOTALL)
"""What Ray says of the cluster's versions and of this process's."""


def check_address(address: str) -> None:
    """Raise EngineError unless a Ray cluster answers at `address` and takes this user's token."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        if "://" in address or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise EngineError(
                f"address {address!r} is neither 'auto' nor the HOST:PORT of a cluster's head"
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PORT_S).close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(
                f"no Ray cluster answers at {address} ({reason}); is it up?"
            ) from None
    # A process of its own can be given up: Ray's connect retries, hangs, and prints while it does.
    with subprocess.Popen(
        [sys.executable, "-c", _PROBE, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "RAY_gcs_server_port_wait_time_s": "3"},
    ) as probe:
        assert probe.stdout is not None
        probe.stdout.readline()
        try:
            _, said = probe.communicate(timeout=PROBE_S)
        except subprocess.TimeoutExpired:
            probe.kill()
            _, said = probe.communicate()
    if probe.returncode != 0:
        raise EngineError(_refusal(address, said.decode(errors="replace")))


def _refusal(address: str, said: str) -> str:
    if "InvalidAuthToken" in said or "AuthenticationError" in said:
        return (
            f"the cluster at {address} refuses this token; set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's"
        )
    if versions := _VERSIONS.search(said):
        ray, python, our_ray, our_python = versions.groups()
        return (
            f"the cluster at {address} runs Ray {ray} and Python {python}, and this is Ray "
            f"{our_ray} and Python {our_python}; install the cluster's"
        )
    if address == "auto":
        return "address 'auto' finds no Ray cluster on this machine; give the head's HOST:PORT"
    return f"what answers at {address} is not a Ray cluster; give the head's HOST:PORT (port 6379)"

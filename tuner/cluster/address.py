"""The address of a running Ray cluster, tried before anything depends on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from tuner.errors import EngineError

PROBE_S = 10.0
"""How long a cluster may take to answer."""

_PROBE = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"


def check_address(address: str) -> None:
    """Raise EngineError unless a Ray cluster answers at `address` and takes this user's token."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        if "://" in address or not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise EngineError(
                f"address {address!r} is neither 'auto' nor the HOST:PORT of a cluster's head"
            )
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S).close()
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(
                f"no Ray cluster answers at {address} ({reason}); is it up?"
            ) from None
    # A process of its own can be given up: Ray's connect retries, hangs, and prints while it does.
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE, address],
            timeout=PROBE_S,
            capture_output=True,
            check=False,
            env={**os.environ, "RAY_gcs_server_port_wait_time_s": "3"},
        )
    except subprocess.TimeoutExpired as hung:
        said = hung.stderr or b""
    else:
        if probe.returncode == 0:
            return
        said = probe.stderr
    raise EngineError(_refusal(address, said.decode(errors="replace")))


def _refusal(address: str, said: str) -> str:
    if "InvalidAuthToken" in said or "AuthenticationError" in said:
        return (
            f"the cluster at {address} refuses this token; set RAY_AUTH_MODE=token, and "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's"
        )
    if address == "auto":
        return "address 'auto' finds no Ray cluster on this machine; give the head's HOST:PORT"
    if "Version mismatch" in said:
        return f"the cluster at {address} runs another version of Ray or Python; install the same"
    return f"what answers at {address} is not a Ray cluster; give the head's HOST:PORT (port 6379)"

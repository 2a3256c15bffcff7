"""Stands in for Ray's agent of runtime environments until somebody asks it, and then becomes it.

    python late_agent.py PORT_FILE COMMAND...

Few programs that use a local Ray inside of a trial give a task an environment of its own, and the
agent takes .7 s of CPU and 80 MB to wait for that. Run as a file, without Ray: it is to start in no
time. It ends when its stdin does, which the raylet holds.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

PORT = "runtime-env-agent-port="
ADDRESS = "node-ip-address="
"""How two of the options begin, behind their dashes."""


def wait(port_file: Path, command: Sequence[str]) -> None:
    """Tell a port, listen there, and become the agent at that port with the first who comes."""
    options = [word.lstrip("-") for word in command]
    (address,) = (word.removeprefix(ADDRESS) for word in options if word.startswith(ADDRESS))
    listener = socket.create_server((address, 0))
    port = listener.getsockname()[1]
    written = port_file.with_name(f".{port_file.name}")
    written.write_text(str(port))
    written.rename(port_file)  # it is read as soon as it is there
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    if listener in ready:
        listener.close()  # the one who came asks again, for half a minute
        with_port = [
            f"{word.partition('=')[0]}={port}" if PORT in word else word for word in command
        ]
        os.execv(with_port[0], with_port)


if __name__ == "__main__":
    wait(Path(sys.argv[1]), sys.argv[2:])

"""Files that workers left on their node's disk, brought to the driver's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FETCH_S = 120.0
"""How long a file may take to come."""


def moved_from(host: str, path: Path) -> bytes | None:
    """The content of a file at another node of the cluster, which is removed there.

    None where no such node is left, or the file is not there either.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [n for n in ray.nodes() if n["Alive"] and n["NodeManagerAddress"] == host]
    if not nodes:
        return None
    there: Any = NodeAffinitySchedulingStrategy(nodes[0]["NodeID"], soft=False)
    read: Any = ray.remote(num_cpus=0, scheduling_strategy=there)(_taken)
    try:
        content: bytes | None = ray.get(read.remote(str(path)), timeout=FETCH_S)
    except ray.exceptions.RayError:
        return None
    return content


def _taken(path: str) -> bytes | None:
    file = Path(path)
    if not file.is_file():
        return None
    content = file.read_bytes()
    file.unlink()
    return content

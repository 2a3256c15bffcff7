"""Whether every node can write to the place of the results.

    python -m tuner.cluster.place_check /srv/results

Run as a job on a cluster; a line says which node cannot and why, and the exit code is 1.
"""

from __future__ import annotations

import logging
import sys
import uuid
from typing import Any

WAIT_S = 60.0
"""How long a node may take to write a file."""


def write(place: str) -> str:
    """Write a file and remove it again; why that failed, empty if it did not."""
    import fsspec

    name = f"{place.rstrip('/')}/.tuner-check-{uuid.uuid4().hex}"
    try:
        system, path = fsspec.core.url_to_fs(name)
        system.makedirs(path.rpartition("/")[0], exist_ok=True)
        with system.open(path, "wb") as file:
            file.write(b"tuner")
        system.rm_file(path)
    except Exception as error:  # noqa: BLE001  # said by the one who asked
        return " ".join((str(error) or type(error).__name__).split())
    return ""


def main(place: str) -> int:
    """Write from each living node; the exit code."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init("auto", log_to_driver=False, logging_level=logging.ERROR)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    task: Any = ray.remote(num_cpus=0, max_retries=0)(write)
    said = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        said[node["NodeManagerAddress"]] = task.options(scheduling_strategy=there).remote(place)
    for host, answer in said.items():
        try:
            why = ray.get(answer, timeout=WAIT_S)
        except ray.exceptions.RayError as error:
            why = f"no answer ({type(error).__name__})"
        if why:
            print(f"node {host} cannot write to {place}: {why}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""A Ray cluster of two nodes on this machine, one of which is cut at every line that comes in.

It prints its address, and ends with its input. A node that is cut dies at once, with all of its
processes; a new one joins in its place.
"""

from __future__ import annotations

import sys
from typing import Any

from ray.cluster_utils import Cluster

STORE: dict[str, Any] = {"object_store_memory": 100 << 20}


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **STORE})
    try:
        nodes = [cluster.add_node(num_cpus=1, **STORE) for _ in range(2)]
        print(cluster.address, flush=True)
        for _ in sys.stdin:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)
            nodes.append(cluster.add_node(num_cpus=1, **STORE))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()

"""A study on a Ray cluster of three nodes, two of which are there at its start.

With CLUSTER_RUN=FOLDER: while trials run, a node joins, and another is killed. Where each
epoch ran goes to FOLDER/epochs.txt, the nodes' ids to FOLDER/nodes.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

import tuner

FOLDER = Path(os.environ.get("CLUSTER_RUN", ""))
LOG = FOLDER / "epochs.txt"
TRIALS, EPOCHS = 24, 8


def train(trial: Any) -> None:
    import ray

    node = ray.get_runtime_context().get_node_id()
    for epoch in range(1, EPOCHS + 1):
        if trial.number >= 6:
            wait_for((FOLDER / "joined").exists)
        if trial.number >= 14 and epoch > 1:
            wait_for((FOLDER / "removed").exists)
        with LOG.open("a") as log:
            print(trial.number, trial.cell.attempt, epoch, node, file=log)
        trial.report(epoch, {"score": trial["x"] * epoch + float(trial.data.x_train.mean())})


EXPERIMENT = tuner.Experiment(
    name="cluster", space={"x": tuner.Float(0, 1), "epochs": EPOCHS}, objective=train,
    metric="score", sampler="random", scheduler="none", trials=TRIALS, dataset="digits",
)  # fmt: skip


def wait_for(condition: Any) -> None:
    while not condition():
        time.sleep(0.05)


def epochs_on(node: str) -> int:
    return LOG.read_text().count(node) if LOG.exists() else 0


PROBE = """
import sys
from tuner import address, errors
address.PROBE_S = 60.0  # machines are shared
try:
    address.check_address(sys.argv[1])
except errors.TunerError as error:
    print(error)
"""


def refusal(address: str) -> str:
    """What is said to a driver with another token."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, address], env={**os.environ, "RAY_AUTH_TOKEN": "0" * 64},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    own = {"object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **own})
    try:
        first, second = (cluster.add_node(num_cpus=1, **own) for _ in range(2))
        place = {"results": FOLDER / "results", "address": cluster.address}
        (FOLDER / "refused.txt").write_text(refusal(cluster.address))
        run = threading.Thread(target=tuner.run, args=(EXPERIMENT,), kwargs={**place, "seed": 1})
        run.start()
        wait_for(lambda: all(epochs_on(node.node_id) > 1 for node in (first, second)))
        third = cluster.add_node(num_cpus=1, **own)
        (FOLDER / "joined").touch()
        wait_for(lambda: epochs_on(third.node_id) > 0)
        cluster.remove_node(first, allow_graceful=False)
        (FOLDER / "removed").touch()
        run.join()
        nodes = {"first": first.node_id, "second": second.node_id, "third": third.node_id}
        (FOLDER / "nodes.json").write_text(json.dumps(nodes))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()

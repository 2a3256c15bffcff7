"""A study on a Ray cluster of three nodes, two of which are there at its start.

It is run as a script, so no folder beside it may have the name of a package.
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
GPU_TRIALS = 2.0


def train(trial: Any) -> None:
    node = os.environ["RAY_RAYLET_PID"]  # each node of this machine has one of its own
    if trial["x"] == GPU_TRIALS:
        with LOG.with_name("gpu.txt").open("a") as log:
            print(os.environ.get("CUDA_VISIBLE_DEVICES"), node, file=log)
        trial.report(1, {"score": 1.0})
        return
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


def name_of(node: Any) -> str:
    """A node as its trials write it down."""
    return str(node.all_processes["raylet"][0].process.pid)


def epochs_on(node: Any) -> int:
    if not LOG.exists():
        return 0
    return sum(line.split()[-1] == name_of(node) for line in LOG.read_text().splitlines())


PROBE = """
import sys
from tuner import errors
from tuner.cluster import address
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
    own: dict[str, Any] = {"object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **own})
    try:
        first, second = (cluster.add_node(num_cpus=1, **own) for _ in range(2))
        place: dict[str, Any] = {"results": FOLDER / "results", "address": cluster.address}
        (FOLDER / "refused.txt").write_text(refusal(cluster.address))
        run = threading.Thread(target=tuner.run, args=(EXPERIMENT,), kwargs={**place, "seed": 1})
        run.start()
        wait_for(lambda: all(epochs_on(node) > 1 for node in (first, second)))
        third = cluster.add_node(num_cpus=1, **own)
        (FOLDER / "joined").touch()
        wait_for(lambda: epochs_on(third) > 0)
        ids = {"first": name_of(first)}
        cluster.remove_node(first, allow_graceful=False)
        (FOLDER / "removed").touch()
        run.join()
        gpu = cluster.add_node(num_cpus=1, num_gpus=1, **own)
        # Equal points share a training.
        space = {"x": GPU_TRIALS, "other": tuner.Float(0, 1)}
        cpus: dict[str, Any] = {"trials": 4, "concurrency": 2, "space": space}
        halves = {**cpus, "gpus_per_trial": 0.5, "cpus_per_trial": 0.5}
        for name, fields in {"cpus": cpus, "halves": halves}.items():
            tuner.run(EXPERIMENT, study=name, **place, **fields)
        nodes = {"second": second, "third": third, "gpu": gpu}
        ids |= {name: name_of(node) for name, node in nodes.items()}
        (FOLDER / "nodes.json").write_text(json.dumps(ids))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()

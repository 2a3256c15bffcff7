"""What the driver sustains as a cluster grows: trials that sleep, on 1 to 8 simulated nodes.

    python -m benchmarks.growth [--nodes 1 2 4 8] [--slots 16] [--seconds 10] [--reports 5]

Each size is a process of its own with a Ray cluster on this machine (`ray.cluster_utils`), nodes of
16 slots each that are no real CPUs. A trial sleeps and reports. Counted are the trials that begin
once every slot has had one: the workers' own start, which costs a second of CPU each and is paid by
this one machine, is left out. "busy" is what the slots worked of what they could have.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from typing import Any

import pandas as pd

SETTINGS = "TUNER_GROWTH"


def train(trial: Any) -> None:
    """Sleep, report, again."""
    for epoch in range(1, int(trial["reports"]) + 1):
        time.sleep(trial["seconds"] / trial["reports"])
        trial.report(epoch, {"score": trial["x"] * epoch})


def one_size(nodes: int, slots: int, seconds: float, reports: int) -> dict[str, float]:
    """Run one size in this process; what it sustained."""
    from ray.cluster_utils import Cluster

    import tuner

    waves = 4
    space = {"x": tuner.Float(0, 1), "seconds": seconds, "reports": reports}
    experiment = tuner.Experiment(
        name="growth", space=space, objective=train, metric="score", sampler="random",
        scheduler="none", trials=nodes * slots * waves, dataset=None,
    )  # fmt: skip
    own: dict[str, Any] = {"object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **own})
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=slots, **own)
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            results = tuner.run(experiment, results=folder, address=cluster.address, seed=1)
        wall = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
    finally:
        cluster.shutdown()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    trials = results.trials.sort_values("started_at")
    # From the first start of the second wave to the first of the last: whole waves.
    second, last = trials["started_at"].iloc[[nodes * slots, -nodes * slots]]
    rate = (len(trials) - 2 * nodes * slots) / (last - second).total_seconds()
    return {
        "nodes": nodes,
        "slots": nodes * slots,
        "trials": len(trials),
        "trials_a_s": rate,
        "busy": rate * seconds / (nodes * slots),
        "driver_ms_a_trial": 1000 * cpu / len(trials),
        "wall_s": wall,
    }


def main() -> None:
    """A row a size."""
    parser = argparse.ArgumentParser(description="What the driver sustains as a cluster grows.")
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--slots", type=int, default=16, help="of each node")
    parser.add_argument("--seconds", type=float, default=10.0, help="a trial's length")
    parser.add_argument("--reports", type=int, default=5, help="of a trial")
    options = parser.parse_args()
    if SETTINGS in os.environ:
        print(json.dumps(one_size(**json.loads(os.environ[SETTINGS]))))
        return
    rows = []
    for nodes in options.nodes:
        settings = {**vars(options), "nodes": nodes}
        environment = {
            **os.environ, SETTINGS: json.dumps(settings), "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.growth"],
            env=environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(pd.DataFrame(rows).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

"""Drivers on a real local cluster that are stopped, or ask for what there is not."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY
from ray.experimental import internal_kv

import tuner
from tests.sharing.local_ray import local_ray, until
from tuner.cluster.address import check_address
from tuner.cluster.versions import check_versions
from tuner.errors import EngineError
from tuner.sharing.broker import running_broker
from tuner.sharing.lease import Lease, Wish

CPUS = 2
ROOT = Path(__file__).parents[2]
STUDY = """
import os, sys, time
import tuner
from tuner.errors import TunerError

address, folder = sys.argv[1:3]

def train(trial):
    with open(folder + "/log", "a") as log:
        print(trial.number, file=log)
    while trial.number >= 2 and not os.path.exists(folder + "/gate"):
        time.sleep(0.05)
    trial.report(1, {"score": trial["x"]})

def run(**fields):
    given = {"metric": "score", "dataset": None, "sampler": "random", "scheduler": "none"}
    place = {"address": address, "results": folder, "study": "here"}
    tuner.run(train, space={"x": tuner.Float(0, 1)}, trials=6, **place, **{**given, **fields})
"""
REFUSED = """
for fields in {"cpus_per_trial": 64}, {"min_slots": 9}:
    try:
        run(**fields)
    except TunerError as error:
        print(error)
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    yield from local_ray(CPUS)


def driver(folder: Path, end: str = "run()") -> subprocess.Popen[str]:
    """A process that runs a study on this cluster, in `folder`."""
    file = folder / "driver.py"
    file.write_text(STUDY + end)
    return subprocess.Popen(
        [sys.executable, str(file), ray.get_runtime_context().gcs_address, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_driver_that_was_stopped_has_lost_its_slots_and_trains_nothing_twice(
    tmp_path: Path,
) -> None:
    def trained() -> list[int]:
        log = tmp_path / "log"
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    with driver(tmp_path) as stopped:
        until(lambda: len(trained()) == 2 + CPUS or stopped.poll() is not None)
        stopped.send_signal(signal.SIGSTOP)
        other = Lease(Wish("other", "bob", {"CPU": 1.0}), wanted=50, say=lambda line: None)
        other.start()
        until(lambda: other.allowed == CPUS)
        stopped.send_signal(signal.SIGCONT)
        until(lambda: other.allowed == CPUS // 2)
        (tmp_path / "gate").touch()
        other.close()
        assert stopped.wait() == 0
    assert sorted(trained()) == list(range(6))
    table = pd.read_parquet(tmp_path / "here" / "trials.parquet")
    assert table["trial"].tolist() == list(range(6))
    assert set(table["state"]) == {"COMPLETE"}
    assert running_broker() is not None


def test_what_no_node_can_meet_is_refused_at_once(tmp_path: Path) -> None:
    with driver(tmp_path, REFUSED) as refused:
        said, _ = refused.communicate()
    wide, many = said.splitlines()
    assert "a trial needs 64 CPUs, and no node has them: the most on one is 2 CPUs" in wide
    assert "min_slots: 9 slots are more than the 2 that this run could ever hold" in many
    assert not (tmp_path / "log").exists()


def test_a_cluster_of_another_ray_is_refused_and_both_are_named() -> None:
    namespace = b"cluster"
    told = internal_kv._internal_kv_get(CLUSTER_METADATA_KEY, namespace=namespace)
    other = json.dumps({**json.loads(told), "ray_version": "2.59.1"})
    internal_kv._internal_kv_put(CLUSTER_METADATA_KEY, other, True, namespace=namespace)
    both = rf"runs Ray 2\.59\.1 and Python \S+, and this is Ray {ray.__version__} and Python \S+; "
    try:
        with pytest.raises(EngineError, match=both):
            check_address(ray.get_runtime_context().gcs_address)
    finally:
        internal_kv._internal_kv_put(CLUSTER_METADATA_KEY, told, True, namespace=namespace)


def test_a_node_of_another_tuner_is_refused_and_both_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_versions(ray.nodes())
    (node,) = ray.nodes()
    ours = tuner.__version__
    monkeypatch.setattr(tuner, "__version__", "99.1")
    host = re.escape(node["NodeManagerAddress"])
    both = f"^node {host} has tuner {ours}, and this is tuner 99.1; install the same one on both"
    with pytest.raises(EngineError, match=both):
        check_versions(ray.nodes())
    check_versions(ray.nodes(), but=node["NodeID"])  # the driver's own node has the driver's
    check_versions([{**node, "Alive": False}])

"""Several nodes: trials land on all, one that joins is used, one that is lost costs its trials."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path

import tuner
from tests.cluster import cluster_run


def test_nodes_come_and_go_and_every_trial_is_there_once(
    tmp_path: Path, ends_orphans: None
) -> None:
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "CLUSTER_RUN": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, cluster_run.__file__],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    refused = (tmp_path / "refused.txt").read_text()
    assert re.fullmatch(r"the cluster at \S+ refuses this token; set [^\n]*\n", refused)
    results = tuner.load(tmp_path / "results" / "cluster")
    nodes = json.loads((tmp_path / "nodes.json").read_text())
    lines = [line.split() for line in (tmp_path / "epochs.txt").read_text().splitlines()]
    where = Counter(node for *_, node in lines)
    assert set(where) == {nodes["first"], nodes["second"], nodes["third"]}
    assert results.trials["trial"].tolist() == list(range(24))
    assert set(results.trials["state"]) == {"COMPLETE"}
    assert not results.reports.duplicated(["trial", "fold", "epoch"]).any()
    assert len(results.reports) == 24 * 8
    # The node that was killed held one trial at most, and that one alone was run again.
    again = results.trials.loc[results.trials["attempt"] > 1, "trial"].tolist()
    assert len(again) <= 1
    began = {(trial, node) for trial, attempt, _, node in lines if attempt == "1"}
    assert {node for trial, node in began if int(trial) in again} <= {nodes["first"]}
    # Trials without a GPU leave the node that has one to those that need it.
    gpu = [line.split() for line in (tmp_path / "gpu.txt").read_text().splitlines()]
    assert [device for device, _ in gpu] == ["-1"] * 4 + ["0"] * 4
    assert {node for _, node in gpu[:4]} <= {nodes["second"], nodes["third"]}
    assert {node for _, node in gpu[4:]} == {nodes["gpu"]}

"""Studies on a cluster from end to end, by the commands and Ray's own job server."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.cluster.a_head import Head, head
from tests.sharing.local_ray import until
from tuner.cluster.jobs import Jobs
from tuner.errors import EngineError

CPUS = 2
STUDY = """
import os, time
from tuner import Experiment, Float

def train(trial):
    with open({log!r}, "a") as file:
        print(trial.number, file=file)
    while trial.number >= {open} and not os.path.exists({gate!r}):
        time.sleep(0.05)
    trial.report(1, {{"score": trial["x"]}})

EXPERIMENT = Experiment(
    "mine", {{"x": Float(0, 1)}}, train, metric="score", dataset=None, sampler="random",
    scheduler="none", trials=6,
)
"""
OPEN = 3
"""So many trials of the study end by themselves; the others wait for the gate."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Head]:
    if find_spec("aiohttp_cors") is None:
        pytest.skip("not installed: ray[default], Ray's job server")
    with head(CPUS) as started:
        yield started


def columns(table: str) -> list[list[str]]:
    """The cells of what `ps` prints, a row each, without the head."""
    return [line.split() for line in table.splitlines()[1:]]


def test_a_study_is_submitted_listed_stopped_lost_and_resumed(
    cluster: Head, tmp_path: Path, ends_orphans: None
) -> None:
    file, log, gate = (tmp_path / name for name in ("mine.py", "log", "gate"))
    file.write_text(STUDY.format(log=str(log), gate=str(gate), open=OPEN))
    results = tmp_path / "results"

    def trained() -> list[int]:
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    def states() -> dict[str, int]:
        table = pd.read_parquet(results / "mine" / "trials.parquet")
        return dict(table["state"].value_counts())

    submitted = cluster.tuner("submit", str(file), "--results", str(results), "--seed", "7")
    assert (submitted.returncode, submitted.stderr) == (0, "")
    assert submitted.stdout.splitlines()[-1] == "mine"
    until(lambda: len(trained()) == OPEN + CPUS)

    running = cluster.tuner("ps")
    assert running.returncode == 0, running.stderr
    [row] = columns(running.stdout)
    assert row[:4] == ["mine", "ann", "running", f"{OPEN}/6"]
    assert row[4] == "score"
    assert f"{CPUS}/3" in row
    outside = replace(cluster, address=cluster.http).tuner("ps")
    assert outside.returncode == 0, outside.stderr
    assert columns(outside.stdout)[0][:5] == row[:5]

    stopped = cluster.tuner("stop", "mine")
    assert "mine: stopped; go on with: tuner resume mine" in stopped.stdout, stopped.stderr
    assert states()["COMPLETE"] == OPEN  # as Ctrl-C: what is finished is kept

    began = len(trained())
    resumed = cluster.tuner("resume", "mine")
    assert "mine goes on" in resumed.stdout, resumed.stderr
    until(lambda: len(trained()) == began + CPUS)
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:4] == ["-m", "tuner", "run"] and str(results) in words:
            process.kill()
    until(lambda: "driver lost, `tuner resume`" in cluster.tuner("ps").stdout)

    gate.touch()
    followed = cluster.tuner("resume", "mine", "--follow")
    assert followed.returncode == 0, followed.stderr
    assert states() == {"COMPLETE": 6}
    assert [trained().count(number) for number in range(OPEN)] == [1] * OPEN  # they were finished
    said, log_of_it = followed.stdout.split("\n", 1)
    assert said == "mine goes on"
    assert log_of_it.strip() in cluster.tuner("logs", "mine").stdout
    [row] = columns(cluster.tuner("ps").stdout)
    assert row[:3] == ["mine", "ann", "done"]


def test_top_goes_on_looking_until_ctrl_c(cluster: Head) -> None:
    command = [sys.executable, "-m", "tuner", "top", "--address", cluster.address]
    ours, terminal = os.openpty()  # it is shown on a terminal alone
    with subprocess.Popen(
        command, env={**cluster.environment, "TERM": "xterm"}, stdout=terminal,
        stderr=subprocess.PIPE,
    ) as top:  # fmt: skip
        os.close(terminal)
        said = b""
        while b"trials" not in said:
            said += os.read(ours, 4096)
        top.send_signal(signal.SIGINT)
        _, err = top.communicate()
    os.close(ours)
    assert (top.returncode, err) == (130, b"")


def test_another_token_is_refused_in_a_line(cluster: Head) -> None:
    refused = cluster.tuner("stop", "mine", RAY_AUTH_TOKEN="0" * 64)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert "refuses this token" in line


def test_a_job_server_of_another_ray_is_refused_and_both_are_named() -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            said = {"version": "4", "ray_version": "2.59.1", "ray_commit": "", "session_name": ""}
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *what: object) -> None:
            """Nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(EngineError, match=r"runs Ray 2\.59\.1, and this is Ray 2\.60"):
        Jobs(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    assert os.environ.get("RAY_ADDRESS") is None

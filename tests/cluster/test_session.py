from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.cluster.resources import available_cpus, fitting
from tuner.cluster.session import connect
from tuner.errors import EngineError

NODES = [
    {"NodeID": "a", "Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}},
    {"NodeID": "b", "Alive": True, "Resources": {"CPU": 8.0}},
    {"NodeID": "c", "Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


# ------------------------------------------------------------------------------- capacity


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"),
    [(1, 0, 8), (2, 0, 4), (3, 0, 2), (0.5, 0, 16), (1, 1, 1), (1, 0.25, 4), (0.1, 0, 80)],
)
def test_as_many_trials_fit_as_the_living_nodes_have_place_for(
    cpus: float, gpus: float, slots: int
) -> None:
    """Without a GPU they leave the node that has one to others."""
    assert fitting(NODES, cpus, gpus) == slots


def test_trials_without_a_gpu_take_a_node_that_has_one_where_there_is_no_other() -> None:
    assert fitting(NODES[:1], 1, 0) == 4


@pytest.mark.parametrize(
    ("cpus", "gpus", "line"),
    [
        (16, 0, "a trial needs 16 CPUs, and no node has them: the most on one is 8 CPUs"),
        (1, 2, "a trial needs 1 CPUs and 2 GPUs, and no node has them"),
        (8, 1, "a trial needs 8 CPUs and 1 GPUs, and no node has them"),
    ],
)
def test_a_trial_that_no_node_can_hold_is_refused(cpus: float, gpus: float, line: str) -> None:
    with pytest.raises(EngineError, match=line):
        fitting(NODES, cpus, gpus)


def test_a_trial_wider_than_this_machine_is_refused_before_ray_starts() -> None:
    wide = available_cpus() + 1
    with (
        pytest.raises(EngineError, match=rf"{wide} CPUs a trial do not fit this machine"),
        connect(cpus_per_trial=wide),
    ):
        pass


# -------------------------------------------------------------------------------- addresses


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("address", ["somewhere", "host:", ":6379", "ray://host:10001", "h:99999"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with (
        pytest.raises(EngineError, match="is neither 'auto' nor the HOST:PORT"),
        connect(address=address),
    ):
        pass


def test_an_address_where_nothing_listens_is_refused() -> None:
    port = free_port()
    with (
        pytest.raises(EngineError, match=f"no Ray cluster answers at 127.0.0.1:{port} .*refused"),
        connect(address=f"127.0.0.1:{port}"),
    ):
        pass


def test_an_address_where_something_else_listens_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuner.cluster.address.PROBE_S", 2.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(EngineError, match=f"what answers at {address} is not a Ray cluster"),
            connect(address=address),
        ):
            pass


# -------------------------------------------------------------------------------- a local Ray

# In a process of its own: with a HOME that cannot be written, Ray imported by nobody before, and
# file descriptors to look at. It leaves by an exception, as a user's program may.
PROGRAM = """
import json, os, signal, sys, tempfile
import joblib  # sets a variable of OpenMP's as it is imported, wherever that is
before = dict(os.environ)
from tuner.cluster.session import connect
import psutil

def listening():
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            yield from (c.laddr.ip for c in process.net_connections() if c.status == "LISTEN")
        except psutil.NoSuchProcess:
            pass

found = {}
try:
    with connect(concurrency=3) as runtime:
        found["concurrency"] = runtime.concurrency
        import ray
        found["addresses"] = sorted(set(listening()))
        found["temporary"] = [f for f in os.listdir(tempfile.gettempdir()) if "tuner-" in f]
        place = os.path.join(tempfile.gettempdir(), found["temporary"][0])
        found["open to"] = oct(os.stat(place).st_mode & 0o777)

        @ray.remote(max_retries=0)
        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        try:
            ray.get(die.remote())
        except ray.exceptions.WorkerCrashedError:
            found["died"] = True
        found["token"] = "RAY_AUTH_TOKEN" in os.environ
        shown = ray.remote(lambda: os.environ.get("SHOWN"))
        found["shown"] = [
            ray.get(shown.options(runtime_env=own).remote())
            for own in ({}, {"env_vars": {"SHOWN": "5"}})
        ]
        raise KeyError("the user's own")
except KeyError:
    pass
found["changed"] = sorted(k for k in {*os.environ, *before} if os.environ.get(k) != before.get(k))
found["processes"] = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
found["left"] = [f for f in os.listdir(tempfile.gettempdir()) if "tuner-" in f]
found["handler"] = str(int(signal.getsignal(signal.SIGTERM)))
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


def test_a_local_ray_is_private_silent_and_leaves_nothing(tmp_path: Path) -> None:
    home, temporary, answer = tmp_path / "home", Path("/tmp") / f"t{os.getpid()}", tmp_path / "a"
    home.mkdir(mode=0o500)
    temporary.mkdir()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(answer)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)},
        )
        assert ran.returncode == 0, ran.stderr
        assert (ran.stdout, ran.stderr) == ("", "")
        found: dict[str, Any] = json.loads(answer.read_text())
        assert found["concurrency"] == 3
        assert {ip.removeprefix("::ffff:") for ip in found["addresses"]} == {"127.0.0.1"}
        assert found["died"]
        assert found["token"]
        assert found["shown"] == [None, "5"]
        assert len(found["temporary"]) == 1
        assert found["open to"] == "0o700"
        assert found["left"] == []
        assert found["changed"] == []
        assert found["processes"] == []
        assert found["handler"] == str(int(signal.SIG_DFL))
        assert list(home.iterdir()) == []
        assert list(temporary.iterdir()) == []
    finally:
        temporary.rmdir()


INTERRUPTED = """
import sys, time
from tuner.cluster.session import connect
from tuner.experiment.experiment import Experiment
from tests.engines.jobs import job
from tuner.testing.scripted import ScriptedStudy, cells

def train(trial):
    trial.report(1, {"v": 1.0})
    time.sleep(600)

study = ScriptedStudy(train, cells(4), hear=lambda event, cell: print(event, flush=True))
with connect(concurrency=1) as runtime:
    from tuner.engines.ray_tune.engine import RayTune
    try:
        RayTune(job(study), runtime).run(study)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_and_all_of_its_processes(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as driver:
        assert driver.stdout is not None
        assert driver.stderr is not None
        while driver.stdout.readline().strip() != "report":
            assert driver.poll() is None, driver.stderr.read()
        family = psutil.Process(driver.pid).children(recursive=True)
        driver.send_signal(number)
        out, err = driver.communicate(timeout=30)
        assert (driver.returncode, out, err) == (130, "interrupted\n", "")
        _, alive = psutil.wait_procs(family, timeout=10)
        assert alive == []


def test_another_ray_beside_the_one_of_this_process_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with (
        pytest.raises(EngineError, match=r"address: .* connected to Ray already; leave it out"),
        connect(address="auto"),
    ):
        pass

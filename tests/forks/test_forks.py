"""A fork server imports once; what it forks ends with whom it was forked for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tuner.errors import EngineError
from tuner.forks import start
from tuner.forks.folder import NAMED, OWNER, make_folder, own_folder, shared_folder
from tuner.forks.kind import Kind
from tuner.forks.mapped import KEPT, mapped
from tuner.forks.process import CannotFork, Forked, ProcessDied
from tuner.forks.server import Left, Server

pytestmark = pytest.mark.skipif(start.why_not() is not None, reason="nothing is forked here")
KIND = Kind(("json",))
ENDED_S = 30
MADE: list[Forked] = []
CLIENT = """
import sys
from pathlib import Path
from tests.forks.test_forks import KIND
from tuner.forks.process import Forked
forked = Forked(Path(sys.argv[1]), KIND, "tests.forks.test_forks:Probe")
forked.hear()
print(forked.pid, flush=True)
forked.call("wait")
"""


class Probe:
    """What a forked process is."""

    def look(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "json": "json" in sys.modules,
            "threads": threading.active_count(),
            "given": os.environ.get("GIVEN"),
            "folder": os.getcwd(),
            "paths": sys.path,
        }

    def child(self) -> int:
        self.started = subprocess.Popen(["sleep", "600"])
        return self.started.pid

    def started_pid(self) -> int:
        return self.started.pid

    def say(self, line: str) -> None:
        print(line)

    def refuse(self) -> None:
        raise ValueError("not this way")

    def wait(self) -> None:
        threading.Event().wait()


def probe(folder: Path, kind: Kind = KIND) -> Forked:
    forked = Forked(folder, kind, f"{__name__}:Probe")
    MADE.append(forked)
    assert forked.hear() is None
    return forked


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """Leaves no process, nor a connection to one."""
    yield
    while MADE:
        MADE.pop().end()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = make_folder()
    yield made
    (made / OWNER).unlink()
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess):
            if str(made) in " ".join(process.cmdline()):
                process.kill()


def test_processes_of_a_kind_have_one_server_and_are_as_their_client_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIVEN", "yes")
    with ThreadPoolExecutor(4) as threads:  # all at once, while no server is there
        found = [one.call("look") for one in threads.map(lambda _: probe(folder), range(4))]
    assert len({one["pid"] for one in found}) == 4
    assert len({one["parent"] for one in found}) == 1
    for one in found:
        assert one["json"]
        assert (one["threads"], one["given"], one["folder"]) == (1, "yes", str(tmp_path))
        assert one["paths"] == sys.path
    monkeypatch.setenv("TF_OTHER", "1")  # read as TensorFlow is imported
    assert probe(folder).call("look")["parent"] != found[0]["parent"]


def test_a_process_says_how_it_died_and_leaves_nothing(folder: Path) -> None:
    killed, left = probe(folder), probe(folder)
    child = psutil.Process(killed.call("child"))
    killed.ask("wait")
    with pytest.raises(TimeoutError):
        killed.hear(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    with pytest.raises(ProcessDied, match=r"the worker died \(.*\): signal SIGKILL"):
        killed.hear()
    psutil.wait_procs([child], timeout=ENDED_S)
    assert not child.is_running()
    assert left.is_alive()
    with pytest.raises(EngineError, match="ValueError: not this way"):
        left.call("refuse")
    process = psutil.Process(left.pid)
    left.ask("wait")
    left.end()
    process.wait(ENDED_S)


def test_a_process_and_its_client_that_end_at_once_cost_no_other(folder: Path) -> None:
    """The server hears of both in one look: it was busy, and so is any that has many clients."""
    killed, asking, left = probe(folder), probe(folder), probe(folder)
    server = psutil.Process(left.call("look")["parent"])
    server.suspend()
    os.kill(killed.pid, signal.SIGKILL)
    killed.end()
    asking.end()
    late, gone = start.connected(folder, KIND), start.connected(folder, KIND)
    ours, theirs = socket.socketpair()
    for client in (late, gone):
        socket.send_fds(client, [b"f"], [theirs.fileno(), 1, 2])
    gone.close()  # before it is answered
    server.resume()
    assert late.recv(6) == b"forked"
    for one in (late, ours, theirs):
        one.close()
    assert left.call("look")["parent"] == server.pid
    assert probe(folder).call("look")["parent"] == server.pid


def test_it_writes_where_its_client_does(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    probe(folder).call("say", "here")
    assert capfd.readouterr().out == "here\n"


def test_a_process_ends_with_its_client_whatever_it_does(folder: Path) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    forked = psutil.Process(int(client.stdout.readline()))
    client.kill()
    client.wait()
    client.stdout.close()
    forked.wait(ENDED_S)


def test_a_server_ends_with_its_folders_owner_and_takes_nobody_along(tmp_path: Path) -> None:
    owner = subprocess.Popen(["sleep", "600"])
    folder = shared_folder(f"t{os.getpid()}", owner.pid)
    forked = probe(folder)
    server = psutil.Process(forked.call("look")["parent"])
    owner.kill()
    owner.wait()
    assert forked.call("look")["pid"] == forked.pid  # a study that uses the server goes on
    forked.end()
    server.wait(ENDED_S)
    assert not folder.exists()


def test_a_server_with_another_thread_must_not_fork(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "threads_on_import.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CannotFork, match="the fork server refuses: it has other threads"):
        probe(folder, Kind(("threads_on_import",)))


def test_a_server_that_cannot_import_says_why(folder: Path) -> None:
    with pytest.raises(EngineError, match="ended as it started: ModuleNotFoundError: No module"):
        probe(folder, Kind(("no_such_module",)))


def test_the_environment_may_name_a_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv(NAMED, str(folder))
    assert own_folder() == folder
    monkeypatch.delenv(NAMED)
    assert own_folder() == own_folder() != folder


def test_a_folder_that_others_may_enter_is_refused() -> None:
    folder = shared_folder(f"o{os.getpid()}", os.getpid())
    folder.chmod(0o755)
    with pytest.raises(EngineError, match="not a folder that this user alone may enter"):
        shared_folder(f"o{os.getpid()}", os.getpid())
    (folder / OWNER).unlink()
    folder.rmdir()


def test_what_is_mapped_is_made_once_and_cannot_be_written_to(tmp_path: Path) -> None:
    made: dict[str, Any] = {
        "x": np.arange(1000.0).reshape(10, 100),
        "y": np.arange(5, dtype=np.int8),
        "n": "name",
    }
    first = mapped(tmp_path, "data", lambda: made)
    again = mapped(tmp_path, "data", lambda: pytest.fail("made twice"))
    assert first == again
    found = again.load()
    assert found["n"] == "name"
    for name in ("x", "y"):
        assert np.array_equal(found[name], made[name])
        assert found[name].dtype == made[name].dtype
        with pytest.raises(ValueError, match="read-only"):
            found[name][0] = 1
    for n in range(KEPT):
        mapped(tmp_path, f"other{n}", lambda: made)
    assert len(list(tmp_path.glob("*.mapped"))) == KEPT
    assert float(found["x"].sum()) == float(made["x"].sum())  # its file is gone, its memory not


def test_a_process_that_was_left_is_taken_as_it_was(folder: Path) -> None:
    first = probe(folder)
    child = first.call("child")
    first.leave("mine")
    assert Forked.left(folder, KIND, "another") is None
    taken = Forked.left(folder, KIND, "mine")
    assert taken is not None
    MADE.append(taken)
    assert Forked.left(folder, KIND, "mine") is None
    assert taken.pid == first.pid == taken.call("look")["pid"]
    assert taken.call("started_pid") == child
    taken.ask("wait")
    os.kill(taken.pid, signal.SIGKILL)
    with pytest.raises(ProcessDied, match="signal SIGKILL"):
        taken.hear()


def test_what_was_left_and_died_is_taken_by_nobody(folder: Path) -> None:
    first = probe(folder)
    first.leave("mine")
    process = psutil.Process(first.pid)
    process.kill()
    process.wait(ENDED_S)
    while (taken := Forked.left(folder, KIND, "mine")) is not None:  # the server may not know yet
        with pytest.raises(ProcessDied, match="the worker died"):
            taken.call("look")
        taken.end()


def test_a_process_that_nobody_takes_ends(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = Server(tmp_path / "sock", ours, os.getpid())
        sleeping = subprocess.Popen(["sleep", "600"], start_new_session=True)
        pipe = os.open(os.devnull, os.O_RDONLY)
        server._left.append(Left(b"mine", sleeping.pid, pipe, until=10.0))
        server._end_left(9.0)
        assert [left.name for left in server._left] == [b"mine"]
        server._end_left(10.0)
        assert server._left == []
        assert sleeping.wait(ENDED_S) == -signal.SIGKILL
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(pipe)

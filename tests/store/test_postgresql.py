"""A real PostgreSQL as the ledger: one driver a study, no secret anywhere, nothing lost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import tuner
from tests.store.test_suite import InFolder
from tuner.errors import StudyError
from tuner.store import database_lock as ledger_lock
from tuner.store.database_lock import ledger_locked
from tuner.testing.stores import Store, StoreSuite

PASSWORD = "not/to be@seen%"
QUOTED = "not%2Fto%20be%40seen%25"
USER = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root


def _binary(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of our own on 127.0.0.1 that asks for a password; its URL."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    initdb, postgres = _binary("initdb"), _binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL's server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short: it holds a socket
    (folder / "password").write_text(PASSWORD)
    if USER is not None:
        for path in (folder, folder / "password"):
            shutil.chown(path, USER)
    common: dict[str, Any] = {"user": USER, "check": True, "capture_output": True, "cwd": folder}
    make = ["-A", "scram-sha-256", "-U", "tuner", "--pwfile", str(folder / "password"), "--no-sync"]
    subprocess.run([initdb, "-D", str(folder / "data"), *make], **common)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-F"]
    server = subprocess.Popen(
        [postgres, "-D", str(folder / "data"), *options],
        user=USER, cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    for line in server.stderr:
        if "ready to accept connections" in line:
            break
    else:
        pytest.fail("PostgreSQL did not start")
    yield f"postgresql://tuner:{QUOTED}@127.0.0.1:{port}/postgres"
    server.terminate()
    server.communicate(timeout=20)
    shutil.rmtree(folder)


def test_a_study_is_resumed_from_postgresql_and_a_uri_alone(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = f"file://{tmp_path}/there"
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "head"))
    first = tuner.run("beale", results=place, storage=url, trials=6, seed=1, quiet=False)
    shutil.rmtree(tmp_path / "head")  # the head's disk is lost
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "other"))
    again = tuner.run("beale", results=place, storage=url, trials=10, resume=True)
    assert again.trials["trial"].tolist() == list(range(10))
    assert again.trials["state"].tolist() == ["COMPLETE"] * 10
    assert again.trials["value"][:6].tolist() == first.trials["value"].tolist()
    assert not again.reports.duplicated(["trial", "epoch"]).any()
    assert set(again.reports["trial"]) == set(range(10))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 8
    said = "".join(capfd.readouterr()).encode()
    assert b"6 trials" in said
    for secret in (PASSWORD.encode(), QUOTED.encode()):
        assert not [table for table in (again.trials, again.reports) if secret in _csv(table)]
        assert not [path for path in written if secret in path.read_bytes()]
        assert secret not in said
    assert len(pd.read_parquet(tmp_path / "there" / "beale" / "trials.parquet")) == 10


def _csv(table: pd.DataFrame) -> bytes:
    """A table in the clear: its file is compressed."""
    return table.to_csv().encode()


def test_a_second_driver_is_refused_by_name(url: str) -> None:
    code = (
        "import sys; from tuner.store.database_lock import ledger_locked\n"
        "with ledger_locked(sys.argv[1], 'mine'): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    named = f"study 'mine' is being run by process {holder.pid} on {socket.gethostname()}; wait"
    with pytest.raises(StudyError, match=named), ledger_locked(url, "mine"):
        pass
    with ledger_locked(url, "another"):
        pass
    holder.kill()  # the lock ends with its process
    holder.communicate()
    for _ in range(50):
        try:
            with ledger_locked(url, "mine"):
                return
        except StudyError:
            continue  # the server has yet to see that the connection is gone
    pytest.fail("a dead holder's lock was not taken over")


CUT = """
SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


def test_a_lock_that_is_lost_with_its_connection_ends_the_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_the_lock(trial: Any) -> float:
        if trial.number == 2:
            with sa.create_engine(url).connect() as connection:
                connection.execute(sa.text(CUT))
            threading.Event().wait()
        return trial["x"]

    monkeypatch.setattr(ledger_lock, "CHECK_S", 0.1)
    experiment = tuner.Experiment(
        name="cut", space={"x": tuner.Float(0, 1)}, objective=cut_the_lock, metric="x",
        direction="maximize",
        sampler="random", scheduler="none", trials=4, dataset=None, concurrency=1,
    )  # fmt: skip
    with pytest.raises(StudyError, match=r"held study 'cut' for this process was lost.*`resume`"):
        tuner.run(experiment, results=tmp_path, storage=url)
    assert len(pd.read_parquet(tmp_path / "cut" / "trials.parquet")) == 3
    with ledger_locked(url, "cut"):  # another may take it now
        pass


def test_a_wrong_password_is_refused_and_not_shown(url: str) -> None:
    wrong = url.replace(QUOTED, "wrong-secret")
    with pytest.raises(StudyError, match=r"cannot be opened: .*authentication failed") as refused:
        tuner.run("beale", results=Path("never"), storage=wrong, trials=1)
    assert "wrong-secret" not in str(refused.value)
    assert "***" in str(refused.value)
    assert not Path("never").exists()


class TestPostgreSQL(StoreSuite):
    """The suite that every store passes, with the ledger in a server."""

    @pytest.fixture
    def store(self, url: str, tmp_path: Path) -> Store:
        return InFolder(tmp_path, url)

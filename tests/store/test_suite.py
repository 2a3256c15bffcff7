"""Our stores pass the suite that we ship: a folder, a database, and a folder copied to a URI."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest
from optuna.storages import BaseStorage

from tuner.errors import ResultsError
from tuner.store.copying import mirrored
from tuner.store.ledger import journal_storage, url_storage
from tuner.store.mirror import Mirror
from tuner.testing.stores import Store, StoreSuite


class InFolder:
    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder, self.url = folder, url

    def begin(self) -> Path:
        return self.folder

    def ledger(self) -> BaseStorage:
        return journal_storage(self.folder) if self.url is None else url_storage(self.url)

    def leave(self) -> None:
        """Files stay as they are."""


class AtUri:
    """Each process is on a machine of its own, whose disk is lost with it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.folder = Mirror(uri).folder / "study"
        self.machine = ExitStack()

    def begin(self) -> Path:
        mirror = Mirror(self.uri)
        shutil.rmtree(mirror.folder, ignore_errors=True)
        mirror.fetch(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.machine.enter_context(mirrored(mirror, self.folder))
        return self.folder

    def ledger(self) -> BaseStorage:
        return journal_storage(self.folder)

    def leave(self) -> None:
        self.machine.close()


class Forgetful(InFolder):
    """Its ledger is gone with each process."""

    def leave(self) -> None:
        (self.folder / "journal.log").unlink()


class Halving(InFolder):
    """Half of the ledger is gone with each process."""

    def leave(self) -> None:
        journal = self.folder / "journal.log"
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[: len(lines) // 2]))


def test_a_store_that_breaks_a_promise_fails(tmp_path: Path) -> None:
    suite = StoreSuite()
    for kind, promise in [
        (Forgetful, suite.test_what_was_written_is_read_by_the_next_process),
        (Forgetful, suite.test_each_end_is_told_as_what_it_is),
        (Halving, suite.test_killed_again_and_again_every_trial_ends_once),
    ]:
        folder = tmp_path / promise.__name__
        folder.mkdir()
        with pytest.raises((AssertionError, ValueError, ResultsError)):
            promise(kind(folder), "suite")


class TestJournal(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return InFolder(tmp_path)


class TestDatabase(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        memory = Path("/dev/shm")  # where an fsync costs nothing
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
            yield InFolder(tmp_path, f"sqlite:///{folder}/ledger.db")


class TestUri(StoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
        monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "cache"))
        fsspec.filesystem("memory").store.clear()
        store = AtUri("memory://bucket/suite")
        yield store
        store.leave()

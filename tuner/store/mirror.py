"""Results at a URI: the driver works in a folder of its own, and copies what changes there.

mirror.json says who put the copy: `writer` (of one run), `serial` (of one put), `holder`, `at`.

The ledger and the log grow by appending, which an object store cannot. So a study at
s3://bucket/results lies below this machine's cache while it runs; a thread puts each changed file
there whole, at intervals and at the end, and another driver fetches it to go on. What is put in is
in an order that keeps every copy good to resume from: the ledger before the reports it promises,
the log before the parts that are made of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from tuner.errors import ResultsError, StudyError
from tuner.files import put_bytes
from tuner.store.layout import JOURNAL_FILE, LOCK_FILE, MARK_FILE, REPORT_LOG_FILE, STUDY_FILE
from tuner.store.uris import filesystem, is_uri

INTERVAL_S = 10.0
SHARE = 20
"""Copying takes at most one part in this many of the driver's time."""
STALE_S = 90.0
"""A holder on another host that has not put a mark for so long is dead."""
FIRST = (STUDY_FILE, JOURNAL_FILE, REPORT_LOG_FILE)


class Mirror:
    """The studies at a URI, and this machine's folder for them."""

    def __init__(self, uri: str) -> None:
        """Raises ResultsError for a URI that no filesystem knows."""
        self.uri = uri.rstrip("/")
        self._fs, self._root = filesystem(self.uri)
        self._root = self._root.rstrip("/")
        digest = hashlib.sha256(self.uri.encode()).hexdigest()[:12]
        slug = re.sub(r"\W+", "-", self.uri).strip("-")[:40]
        self.folder = cache_folder() / f"{slug}-{digest}"
        self._writer = uuid.uuid4().hex
        self._serial = 0
        self._put: dict[str, tuple[int, int]] = {}

    def fetch_names(self) -> None:
        """Let the folder know every study at the URI by its study.json, as a listing does."""
        try:
            self._fs.invalidate_cache()
            there = self._fs.isdir(self._root)
            entries = self._fs.ls(self._root, detail=True) if there else []
        except OSError as error:
            raise self._failed("read", error) from None
        self.folder.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            name = str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
            local = self.folder / name / STUDY_FILE
            if entry["type"] == "directory" and not local.exists():
                content = self._read(f"{name}/{STUDY_FILE}")
                if content is not None:
                    local.parent.mkdir(exist_ok=True)
                    put_bytes(local, content)

    def fetch(self, path: Path) -> None:
        """Make a study's folder what lies at the URI, unless the folder is what was put there.

        Raises StudyError where a driver on another host still runs it.
        """
        there = self._mark(path.name)
        if there is None:
            return
        mine = path / MARK_FILE
        if mine.exists() and _same(json.loads(mine.read_text()), there):
            return
        age = time.time() - float(there["at"])
        if there["holder"] and there["host"] != socket.gethostname() and age < STALE_S:
            raise StudyError(
                f"study {path.name!r} at {self.uri} is being run by {there['holder']}; "
                f"wait for it, or {STALE_S - age:.0f} s if it is dead"
            )
        shutil.rmtree(path, ignore_errors=True)
        root = f"{self._root}/{path.name}"
        try:
            self._fs.invalidate_cache()
            for found in self._fs.find(root):
                inner = str(found).split(f"{root}/", 1)[-1]
                (path / inner).parent.mkdir(parents=True, exist_ok=True)
                put_bytes(path / inner, self._fs.cat_file(found))
        except OSError as error:
            raise self._failed("read", error) from None

    def put(self, path: Path, *, held: bool) -> None:
        """Copy a study's changed files to the URI. Raises ResultsError where that can't be done."""
        try:
            for file in _files(path):
                with suppress(FileNotFoundError):  # it was renamed or removed meanwhile
                    stat = file.stat()
                    name = f"{path.name}/{file.relative_to(path).as_posix()}"
                    now = (stat.st_mtime_ns, stat.st_size)
                    if self._put.get(name) != now:
                        self._write(name, file.read_bytes())
                        self._put[name] = now
            self._serial += 1
            mark = json.dumps(
                {
                    "writer": self._writer,
                    "serial": self._serial,
                    "holder": f"process {os.getpid()} on {socket.gethostname()}" if held else None,
                    "host": socket.gethostname(),
                    "at": time.time(),
                }
            ).encode()
            self._write(f"{path.name}/{MARK_FILE}", mark)
            put_bytes(path / MARK_FILE, mark)
        except OSError as error:
            raise self._failed("written", error) from None

    def remove(self, path: Path) -> None:
        """Take a study that never began from the URI."""
        with suppress(FileNotFoundError):
            self._fs.rm(f"{self._root}/{path.name}", recursive=True)

    def _mark(self, name: str) -> dict[str, Any] | None:
        content = self._read(f"{name}/{MARK_FILE}")
        return None if content is None else dict(json.loads(content))

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", error) from None

    def _write(self, name: str, content: bytes) -> None:
        place = f"{self._root}/{name}"
        if isinstance(self._fs, LocalFileSystem):  # NFS, say: a reader must not see half of it
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            put_bytes(Path(place), content)
            return
        self._fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)
        self._fs.pipe_file(place, content)

    def _failed(self, done: str, error: OSError) -> ResultsError:
        reason = error.strerror or str(error).partition("\n")[0] or type(error).__name__
        return ResultsError(
            f"{self.uri} cannot be {done} ({reason})", field="results", way_out="give others"
        )


def cache_folder() -> Path:
    """Where this machine keeps the studies that lie at URIs: TUNER_CACHE, else the user's cache."""
    own = os.environ.get("TUNER_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(home) / "tuner"


@contextmanager
def mirrored(mirror: Mirror | None, path: Path) -> Iterator[None]:
    """Keep the copy of a study up to date while it runs, and leave it whole; None does nothing.

    Raises ResultsError if the URI cannot be written, at the start or at the end: a copy that
    fails in between is tried again.
    """
    if mirror is None:
        yield
        return
    mirror.put(path, held=True)
    ended = threading.Event()

    def keep() -> None:
        wait = INTERVAL_S
        while not ended.wait(wait):
            started = time.monotonic()
            with suppress(ResultsError):  # the last copy, at the end, says so
                mirror.put(path, held=True)
            wait = max(INTERVAL_S, SHARE * (time.monotonic() - started))

    thread = threading.Thread(target=keep, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        try:
            mirror.put(path, held=False)
        except ResultsError as error:
            raise ResultsError(f"{error}; the study is whole in {path}") from None


def local_copy(place: str | Path) -> Path:
    """A study's folder on this machine: a path as it is, a URI's study fetched."""
    if not is_uri(str(place)):
        return Path(place)
    uri, _, name = str(place).rstrip("/").rpartition("/")
    mirror = Mirror(uri)
    mirror.folder.mkdir(parents=True, exist_ok=True)
    mirror.fetch_names()
    if not (mirror.folder / name / STUDY_FILE).exists():
        raise ResultsError(f"{place} is no study: it has no {STUDY_FILE}")
    mirror.fetch(mirror.folder / name)
    return mirror.folder / name


def _files(path: Path) -> list[Path]:
    """A study's files in the order in which they are put."""
    order = {name: index for index, name in enumerate(FIRST)}
    files = [
        file
        for file in path.rglob("*")
        if file.is_file()
        and not file.name.startswith(".")
        and file.name not in (LOCK_FILE, MARK_FILE)
    ]
    return sorted(files, key=lambda f: (order.get(f.relative_to(path).as_posix(), 9), f))


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["writer"], one["serial"]) == (other["writer"], other["serial"])

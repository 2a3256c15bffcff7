"""When a study's copy at a URI is made: while it runs, at its end, and to be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tuner.errors import ResultsError, StudyError
from tuner.store.generations import Lost
from tuner.store.layout import STUDY_FILE
from tuner.store.mirror import Mirror
from tuner.store.uris import is_uri

INTERVAL_S = 10.0
SHARE = 20
"""Copying takes at most one part in this many of the driver's time."""


@contextmanager
def mirrored(
    mirror: Mirror | None, path: Path, on_loss: Callable[[StudyError], None] = lambda error: None
) -> Iterator[None]:
    """Keep the copy of a study up to date while it runs, and leave it whole; None does nothing.

    Raises ResultsError if the URI cannot be written, at the start or at the end: a copy that
    fails in between is tried again. Where another driver has taken the study, `on_loss` is called,
    from a thread, with the error that should end the run, and nothing is put any more.
    """
    if mirror is None:
        yield
        return
    mirror.put(path, held=True)
    ended, lost = threading.Event(), threading.Event()

    def keep() -> None:
        wait = INTERVAL_S
        while not ended.wait(wait):
            started = time.monotonic()
            try:
                mirror.put(path, held=True)
            except Lost as loss:
                lost.set()
                on_loss(loss)
                return
            except ResultsError:  # the last copy, at the end, says so
                pass
            wait = max(INTERVAL_S, SHARE * (time.monotonic() - started))

    thread = threading.Thread(target=keep, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if not lost.is_set():
            try:
                mirror.put(path, held=False)
            except ResultsError as error:
                raise ResultsError(f"{error}; the study is whole in {path}") from None


@contextmanager
def put_back(
    place: str | Path, path: Path, say: Callable[[str], None] = lambda line: None
) -> Iterator[None]:
    """Let what is written meanwhile to `path`, the folder of a study, be put at its URI as well,
    where `place` is one.

    Raises StudyError where another driver runs it, and ResultsError where it cannot be written.
    """
    if not is_uri(str(place)):
        yield
        return
    mirror = Mirror(str(place).rstrip("/").rpartition("/")[0], say)
    mirror.fetch(path)
    with mirrored(mirror, path):
        yield


def local_copy(place: str | Path) -> Path:
    """A study's folder on this machine: a path as it is, a URI's study fetched, to be read."""
    if not is_uri(str(place)):
        return Path(place)
    uri, _, name = str(place).rstrip("/").rpartition("/")
    mirror = Mirror(uri)
    mirror.folder.mkdir(parents=True, exist_ok=True)
    mirror.fetch_names()
    path = mirror.folder / name
    if not (path / STUDY_FILE).exists():
        raise ResultsError(f"{place} is not a study: it has no {STUDY_FILE}")
    with suppress(StudyError):  # a driver of this machine's has the folder: it is what there is
        mirror.fetch(path, to_run=False)
    return path

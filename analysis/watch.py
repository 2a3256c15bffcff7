"""`tuner watch`: the page of a study that runs, kept up to date by server-sent events.

A WSGI application that only reads the studies' folders. Of a folder of studies it lists all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from analysis.facts.kept import Importances, kept_importance
from analysis.facts.kept import stamp as content_stamp
from analysis.facts.reading import read_now
from analysis.facts.study import Facts, facts
from analysis.page.deltas import changes
from analysis.page.listing import listing, one_row, row
from analysis.page.render import cards, costs, page
from tuner.errors import ResultsError
from tuner.store.layout import REPORT_LOG_FILE, REPORTS_FOLDER, STUDY_FILE, TRIALS_FILE

Start = Callable[..., Any]
App = Callable[[dict[str, Any], Start], Iterable[bytes]]

EVERY_S = 1.0
"""Seconds between two looks at a study's files, of which most cost a few stats."""
KEPT = 5
"""Versions of a study to which changes can be told; who has an older one gets all of it."""
MORE = 1.1
"""Importance is worked out anew when there are so many times more trials."""
LIST_EVERY_S = 3.0
"""Seconds between two readings of all studies of a folder, while somebody looks at the list."""
BEAT_S = 10.0
"""Seconds after which a connection without news hears that it stands."""


class Watched:
    """One study's folder, read anew when its files have changed; versions count from 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._changed = threading.Condition()
        self._stamp: Any = None
        self._importance: tuple[int, dict[str, Any]] = (0, {})
        self.version = 0
        self.facts: Facts | None = None
        self._data: dict[int, dict[str, Any]] = {}

    def look(self) -> None:
        """Read the study if its files have changed. Raises ResultsError where it can't be read."""
        stamp = self._files()
        if stamp == self._stamp:
            return
        tables = read_now(self.folder)
        n = len(tables.trials)
        running = bool((tables.trials["state"] == "RUNNING").any())
        stands = running and n < MORE * self._importance[0]
        known: Importances | None = self._importance[1] if stands else None
        if not running:
            known = kept_importance(self.folder, content_stamp(self.folder))
        found = facts(tables, known)
        if not stands:
            self._importance = (n, dict(found.importance))
        data = found.as_json()
        with self._changed:
            self._stamp, self.facts = stamp, found
            self.version += 1
            self._data[self.version] = data
            self._data.pop(self.version - KEPT, None)
            self._changed.notify_all()

    def now(self) -> Facts:
        """What was read last; `look` comes before."""
        if self.facts is None:
            raise ResultsError(f"{self.folder} was not read yet")
        return self.facts

    def message(self, known: int, timeout: float) -> tuple[int, bytes] | None:
        """What came after version `known`, as JSON; None where nothing came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self.version > known, timeout)
            version, now = self.version, self.facts
            before, after = self._data.get(known), self._data.get(version)
        if version <= known or now is None or after is None:
            return None
        told: dict[str, Any] = {"version": version, "ended": not now.running}
        if before is None:
            told |= {"from": None, "study": after}
        else:
            told |= {"from": known, "changes": changes(before, after)}
        told["cards"] = {"top": cards(now), "costs": costs(now)}
        return version, json.dumps(told, separators=(",", ":"), allow_nan=False).encode()

    def _files(self) -> Any:
        names = [STUDY_FILE, TRIALS_FILE, REPORT_LOG_FILE]
        paths = [self.folder / name for name in names]
        paths += sorted((self.folder / REPORTS_FOLDER).glob("*.parquet"))
        found = []
        for path in paths:
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found.append((path.name, stat.st_mtime_ns, stat.st_size))
        return found


class Watch:
    """The application: the page of a study, or the list of a folder's studies with their pages."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.single = (source / STUDY_FILE).is_file()
        self._studies: dict[str, Watched] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        if not self.single and not self._folders():
            raise ResultsError(
                f"{source} holds no study: no {STUDY_FILE} there, nor in its folders"
            )

    def run(self) -> None:
        """Look at the studies that somebody watches until `stop`: a thread's work."""
        while not self._stop.wait(EVERY_S):
            for one in list(self._studies.values()):
                try:
                    one.look()
                except ResultsError:
                    continue  # a table that is being put in place: the next look will do

    def stop(self) -> None:
        self._stop.set()

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "") or "/"
        if self.single:
            return self._study(self.source, path, environ, start)
        if path == "/":
            rows = [row(folder) for folder in self._folders().values()]
            return _html(start, listing(self.source.resolve().name, rows))
        if path == "/events":
            _stream(start)
            return self._list_events()
        name, _, rest = path.strip("/").partition("/")
        folder = self._folders().get(name)
        if folder is None or (not rest and not path.endswith("/")):
            return _answer(start, "404 Not Found", "text/plain", b"there is no such page\n")
        return self._study(folder, f"/{rest}", environ, start)

    def _study(
        self, folder: Path, path: str, environ: dict[str, Any], start: Start
    ) -> Iterable[bytes]:
        if path not in ("/", "/events"):
            return _answer(start, "404 Not Found", "text/plain", b"there is no such page\n")
        watched = self._watched(folder)
        if path == "/":
            return _html(start, page([watched.now()], version=watched.version))
        text = parse_qs(environ.get("QUERY_STRING", "")).get("version", ["0"])[0]
        known = int(text) if text.isdigit() else 0
        _stream(start)
        return self._events(watched, known)

    def _events(self, watched: Watched, known: int) -> Iterator[bytes]:
        yield b": watching\n\n"
        while not self._stop.is_set():
            message = watched.message(known, BEAT_S)
            if message is None:
                yield b": still here\n\n"
                continue
            known, text = message
            yield b"data: " + text + b"\n\n"

    def _list_events(self) -> Iterator[bytes]:
        """The rows of the list that have changed, as HTML by the studies' names."""
        known: dict[str, str] = {}
        yield b": watching\n\n"
        while not self._stop.is_set():
            rows = {name: one_row(row(folder)) for name, folder in self._folders().items()}
            told = {name: cells for name, cells in rows.items() if known.get(name) != cells}
            known = rows
            yield b"data: " + json.dumps(told).encode() + b"\n\n" if told else b": same\n\n"
            self._stop.wait(LIST_EVERY_S)

    def _watched(self, folder: Path) -> Watched:
        with self._lock:
            one = self._studies.setdefault(str(folder), Watched(folder))
            if one.version == 0:
                one.look()
        return one

    def _folders(self) -> dict[str, Path]:
        if not self.source.is_dir():
            return {}
        found = [path.parent for path in self.source.glob(f"*/{STUDY_FILE}")]
        return {path.name: path for path in sorted(found)}


HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
]


def _answer(start: Start, status: str, kind: str, body: bytes) -> Iterable[bytes]:
    length = ("Content-Length", str(len(body)))
    start(status, [("Content-Type", f"{kind}; charset=utf-8"), length, *HEADERS])
    return [body]


def _html(start: Start, text: str) -> Iterable[bytes]:
    return _answer(start, "200 OK", "text/html", text.encode("utf-8", "backslashreplace"))


def _stream(start: Start) -> None:
    start("200 OK", [("Content-Type", "text/event-stream"), *HEADERS])

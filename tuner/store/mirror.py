"""Results at a URI: the driver works in a folder of its own, and copies what changes there.

The ledger and the log grow by appending, which an object store cannot. So a study at
s3://bucket/results lies below this machine's cache while it runs. A thread (`copying`) makes a
generation of it there (`generations`) at intervals and at the end, and another driver fetches the
newest to go on. What is put in is in an order that keeps every copy good to resume from: the ledger
before the reports it promises, the log before the parts that are made of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tuner.errors import ResultsError, StudyError
from tuner.experiment.checks import NAME_RULE
from tuner.files import put_bytes
from tuner.shown import shown
from tuner.store import generations
from tuner.store.folder import locked
from tuner.store.generations import LEASE_S, UPLOADS, Lost, Manifest, NotWhole, Stored, digest
from tuner.store.layout import (
    JOURNAL_FILE,
    MODEL_FILE,
    REFIT_FILE,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
    STUDY_FILE,
    TRIALS_FILE,
)
from tuner.store.mark import Mark, State, files_of, holds_unsent, read_mark, state_of, states
from tuner.store.objects import Objects
from tuner.store.uris import filesystem

RENEW_S = 30.0
"""A generation is made at least so often, for its lease."""
FIRST = (STUDY_FILE, JOURNAL_FILE, REPORT_LOG_FILE)
READ = (STUDY_FILE, TRIALS_FILE, f"{REPORTS_FOLDER}/", MODEL_FILE, REFIT_FILE)
"""What readers look for under its own name."""


class Mirror:
    """The studies at a URI, and this machine's folder for them. One mirror runs one study."""

    def __init__(self, uri: str, say: Callable[[str], None] = lambda line: None) -> None:
        """`say` is told what was found broken. Raises ResultsError for a URI of no filesystem."""
        self.uri = uri.rstrip("/")
        self.lease_s = LEASE_S
        self._say = say
        self.objects = Objects(*filesystem(self.uri))
        named = hashlib.sha256(self.uri.encode()).hexdigest()[:12]
        slug = re.sub(r"\W+", "-", self.uri).strip("-")[:40]
        self.folder = cache_folder() / f"{slug}-{named}"
        self._writer = uuid.uuid4().hex
        self._last: Manifest | None = None
        self._highest = 0
        self._tries = 0
        self._renewed = float("-inf")
        self._sent: dict[str, tuple[State, Stored]] = {}
        self._read: dict[str, str] = {}

    def fetch_names(self) -> None:
        """Let the folder know every study at the URI by its study.json, as a listing does."""
        with self._reading():
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in filter(NAME_RULE.match, self.objects.folders()):
                local = self.folder / name / STUDY_FILE
                if not local.exists():
                    content = generations.study_file(self.objects.below(name))
                    if content is not None:
                        local.parent.mkdir(exist_ok=True)
                        put_bytes(local, content)

    def fetch(self, path: Path, *, to_run: bool = True) -> None:
        """Make a study's folder the newest whole generation, unless it holds all of that already.

        What the folder holds that was never put at the URI is set aside, and said. Raises
        StudyError where the study is to run and another driver holds it, ResultsError where no
        generation is whole.
        """
        objects = self.objects.below(path.name)
        mark, broken = read_mark(path), []
        with self._reading():
            numbers = generations.numbers(objects)
            self._highest, check = max(numbers, default=0), to_run
            for number in numbers:
                try:
                    manifest = generations.manifest_of(objects, number)
                    if manifest is None:
                        raise NotWhole("it is gone")
                    # Where the folder's own driver has the lease, its lock says whether it lives.
                    if check and not (mark and manifest.writer == mark.tried[1]):
                        self._check_lease(path.name, objects, manifest)
                    check = False  # an older one's is over
                    if not (mark and mark.is_current(manifest)):
                        self._replace(path, objects, manifest, mark)
                    self._last = manifest
                except NotWhole as why:
                    broken.append(f"generation {number}: {why}")
                    continue
                for line in broken:
                    self._say(f"{self.uri}/{path.name}: {line}; generation {number} is taken")
                return
            if generations.numbers(objects)[:1] != numbers[:1]:  # they were removed meanwhile
                self.fetch(path, to_run=to_run)
                return
            if not numbers and (plain := generations.before_generations(objects)) is not None:
                self._last = plain
                self._replace(path, objects, plain, mark)
        if broken:
            raise ResultsError(f"{self.uri}/{path.name}: nothing there is whole ({broken[0]})")

    def put(self, path: Path, *, held: bool) -> None:
        """Make a generation of a study's folder, if there is anything new.

        Raises Lost where another driver has the study, ResultsError where the URI can't be written:
        what was there stays as it is, and the next try goes on.
        """
        objects = self.objects.below(path.name)
        try:
            self._put(path, objects, held=held)
        except NotWhole as why:
            raise Lost(f"study {path.name!r} at {self.uri}: {why}") from None
        except Lost as lost:
            raise Lost(
                f"study {path.name!r} at {self.uri}: {lost}; what it does not have is in {path}"
            ) from None
        except OSError as error:
            raise self._failed("written", error) from None

    def remove(self, path: Path) -> None:
        """Take a study that never began from the URI, where this mirror alone has put it."""
        with suppress(OSError, NotWhole):  # what is left of it is refused as a name, no more
            objects = self.objects.below(path.name)
            there = generations.newest(objects)
            if there is not None and there.writer == self._writer:
                objects.remove_all()

    # ------------------------------------------------------------------------------ fetching

    def _check_lease(self, study: str, objects: Objects, manifest: Manifest) -> None:
        left_s = generations.held_for(objects, manifest)
        if left_s > 0:
            raise StudyError(
                f"study {study!r} at {self.uri} is being run by "
                f"{shown(str(manifest.holder), keep='')}; wait for it, or {left_s:.0f} s if it is "
                "dead"
            )

    def _replace(self, path: Path, objects: Objects, manifest: Manifest, mark: Mark | None) -> None:
        """Let a generation be the folder, at once or not at all. Raises NotWhole."""
        new = path.with_name(f".{path.name}.{self._writer}")
        try:
            new.mkdir(parents=True)
            generations.download(objects, manifest, new)
            Mark(manifest.study, manifest.id, (manifest.generation, ""), states(new)).write(new)
            if not path.exists():
                new.rename(path)
                return
            with locked(path):
                if holds_unsent(path, mark):
                    aside = self._aside(path.name, mark)
                    path.rename(aside)
                    self._say(f"{path.name}: what was never put at {self.uri} is kept in {aside}")
                else:
                    path.rename(new / ".old")
                new.rename(path)
            shutil.rmtree(path / ".old", ignore_errors=True)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _aside(self, name: str, mark: Mark | None) -> Path:
        folder = self.folder.with_name(f"{self.folder.name}-aside")
        folder.mkdir(exist_ok=True)
        number = 0 if mark is None else mark.based[0]
        return folder / f"{name}-{number}-{uuid.uuid4().hex[:8]}"

    # ------------------------------------------------------------------------------- putting

    def _put(self, path: Path, objects: Objects, *, held: bool) -> None:
        last, mark = self._last, read_mark(path)
        # The one after what this driver knows, and no later one: another's would be passed over.
        before = last.generation if last else mark.based[0] if mark else 0
        before = max(before, self._highest)
        sent = self._upload(path, objects, before + 1)
        now = time.monotonic()
        if held and sent == self._sent and now - self._renewed < RENEW_S:
            return
        manifest = Manifest(
            before + 1,
            self._writer,
            last.study if last else mark.study if mark else uuid.uuid4().hex,
            f"process {os.getpid()} on {socket.gethostname()}" if held else None,
            self.lease_s,
            files={name: stored for name, (_, stored) in sent.items()},
        )
        based, had = last.id if last else (0, ""), mark.files if mark else {}
        while True:
            Mark(manifest.study, based, manifest.id, had).write(path)
            there = generations.commit(objects, manifest)
            if there is None:
                break
            # The answer to an earlier try was lost: that one is there, and this comes after it.
            self._last, based = there, there.id
            manifest = replace(manifest, generation=there.generation + 1, study=there.study)
        self._last, self._highest = manifest, manifest.generation
        self._sent, self._renewed = sent, now
        has = {name: state for name, (state, _) in sent.items()}
        Mark(manifest.study, manifest.id, manifest.id, has).write(path)
        self._put_readable(path, objects, manifest, every=not held)
        generations.prune(objects, manifest, uploads=not held)

    def _upload(
        self, path: Path, objects: Objects, generation: int
    ) -> dict[str, tuple[State, Stored]]:
        """Where each file of a study is stored, once those that changed are uploaded.

        Each try has names of its own: an earlier one may have come through, and counts then.
        """
        self._tries += 1
        folder = f"{UPLOADS}/{generation:010}-{self._writer[:8]}-{self._tries}"
        was: dict[str, Stored] = {}
        if self._last is not None and not self._sent:  # what another driver has put is there
            there = set(objects.names(UPLOADS))
            stored_before = self._last.files.values()
            was = {stored.sha256: stored for stored in stored_before if stored.object in there}
        sent: dict[str, tuple[State, Stored]] = {}
        for name, file in _in_order(files_of(path)):
            try:
                state = state_of(file)
                before = self._sent.get(name)
                if before is not None and before[0] == state:
                    sent[name] = before
                    continue
                content = file.read_bytes()
            except FileNotFoundError:  # it was renamed or removed meanwhile
                continue
            stored = was.get(digest(content))
            if stored is None:
                stored = Stored(f"{folder}/{name}", len(content), digest(content))
                objects.write(stored.object, content)
            sent[name] = state, stored
        return sent

    def _put_readable(
        self, path: Path, objects: Objects, manifest: Manifest, *, every: bool
    ) -> None:
        """Put what readers look for under its own name; `every` file of it, or what changed."""
        readable = {name: at for name, at in manifest.files.items() if name.startswith(READ)}
        for name, stored in readable.items():
            if every or self._read.get(name) != stored.sha256:
                try:
                    content = (path / name).read_bytes()
                except FileNotFoundError:  # as above
                    continue
                objects.write(name, content)
                self._read[name] = stored.sha256
        parts = objects.names(REPORTS_FOLDER)
        objects.remove(name for name in parts if name not in readable)

    # -------------------------------------------------------------------------------- errors

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed("read", error) from None

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


def _in_order(files: dict[str, Path]) -> list[tuple[str, Path]]:
    """A study's files in the order in which they are put."""
    order = {name: index for index, name in enumerate(FIRST)}
    return sorted(files.items(), key=lambda one: (order.get(one[0], len(FIRST)), one[0]))

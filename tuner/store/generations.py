"""A study's copies at a URI, one after another: a generation is whole, or it is not there.

    STUDY/manifests/0000000042.json     what generation 42 holds, who wrote it, and its lease
    STUDY/uploads/0000000042-WRITER-1/  the files that were new in it, under their names
    STUDY/study.json, trials.parquet, reports.parquet/    for readers, of the newest generation

The manifest is written last, under a name that must be free: of two drivers that both made the
next generation the store lets one through. A reader takes the newest generation of which every file
is as its manifest says. So an upload that was cut short, two drivers at once and a clock that goes
back cost no trial.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tuner.errors import StudyError
from tuner.files import put_bytes
from tuner.shown import shown
from tuner.store.layout import MARK_FILE, STUDY_FILE
from tuner.store.objects import Objects

MANIFESTS = "manifests"
UPLOADS = "uploads"
LEASE_S = 90.0
"""A driver that has written no generation for so long no longer holds the study."""
KEPT = 3
"""So many generations are kept; what only older ones hold is removed."""


class Lost(StudyError):
    """Another driver has written the generation that was to be this driver's."""


class NotWhole(ValueError):
    """Something of a generation is missing or is not what its manifest says."""


@dataclass(frozen=True)
class Stored:
    """A file of a generation: the object that holds it, its size in bytes and its SHA-256."""

    object: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a generation holds. `holder` has the study for `lease_s` from when this was written;
    None once it has let go. `study` stays the same for all of a study's generations."""

    generation: int
    writer: str
    study: str
    holder: str | None = None
    lease_s: float = LEASE_S
    files: Mapping[str, Stored] = field(default_factory=dict)

    @property
    def id(self) -> tuple[int, str]:
        """Of the generations that drivers made, which this is."""
        return self.generation, self.writer

    @property
    def name(self) -> str:
        """The name of its object."""
        return f"{MANIFESTS}/{self.generation:010}.json"

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def decoded(cls, content: bytes) -> Manifest:
        """Raises NotWhole for what is not a manifest."""
        try:
            given: dict[str, Any] = json.loads(content)
            files = {str(name): Stored(**stored) for name, stored in given.pop("files").items()}
            if all(map(_stays_inside, (*files, *(stored.object for stored in files.values())))):
                return cls(**given, files=files)
            raise ValueError("a name leads out of the study")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NotWhole(f"{type(error).__name__}: {error}") from None


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def numbers(objects: Objects) -> list[int]:
    """The numbers of the generations that are there, the newest first."""
    names = (name.rpartition("/")[2].partition(".") for name in objects.names(MANIFESTS))
    return sorted((int(stem) for stem, _, end in names if stem.isdigit() and end == "json"))[::-1]


def manifest_of(objects: Objects, number: int) -> Manifest | None:
    """The manifest of a generation; None where it is not there (any more). Raises NotWhole."""
    content = objects.read(f"{MANIFESTS}/{number:010}.json")
    return None if content is None else Manifest.decoded(content)


def newest(objects: Objects) -> Manifest | None:
    """The newest generation's manifest; None before there is one. Raises NotWhole."""
    for number in numbers(objects):
        manifest = manifest_of(objects, number)
        if manifest is not None:  # else it was removed meanwhile, as there are newer ones
            return manifest
    return None


def before_generations(objects: Objects) -> Manifest | None:
    """A copy as it was made before there were generations, each file under its own name, as
    generation 0; None where there is no copy."""
    if objects.read(MARK_FILE) is None:
        return None
    files = {}
    for name in objects.names():
        content = objects.read(name)
        if content is not None and name != MARK_FILE and _stays_inside(name):
            files[name] = Stored(name, len(content), digest(content))
    return Manifest(0, "", uuid.uuid4().hex, files=files)


def study_file(objects: Objects) -> bytes | None:
    """A study's study.json; None where no study is.

    It lies under its own name, or, where a driver was killed before that, in the first generation.
    """
    content = objects.read(STUDY_FILE)
    if content is None:
        with suppress(NotWhole):
            manifest = newest(objects)
            if manifest is not None and STUDY_FILE in manifest.files:
                return objects.read(manifest.files[STUDY_FILE].object)
    return content


def download(objects: Objects, manifest: Manifest, folder: Path) -> None:
    """Write the files of a generation into a folder. Raises NotWhole."""
    for name, stored in manifest.files.items():
        content = objects.read(stored.object)
        if content is None:
            raise NotWhole(f"{shown(name, keep='')} is missing")
        if len(content) != stored.size or digest(content) != stored.sha256:
            raise NotWhole(f"{shown(name, keep='')} is not what its manifest says")
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        put_bytes(place, content)


def commit(objects: Objects, manifest: Manifest) -> Manifest | None:
    """Make a generation the newest by writing its manifest.

    Another manifest of the same writer's comes back where that is there already: of a try whose
    answer was lost. It counts; the next number is free. Raises Lost where another driver's is
    there or newer ones are, and OSError where nothing is known.
    """
    try:
        objects.create(manifest.name, manifest.encoded())
    except OSError:
        there = manifest_of(objects, manifest.generation)
        if there is None:
            raise
        if there.writer != manifest.writer:
            raise _lost(there) from None
        return there
    latest = newest(objects)
    if latest is None or latest.id != manifest.id:
        raise _lost(latest)
    return None


def _lost(to: Manifest | None) -> Lost:
    who = (to and to.holder) or "another driver"
    return Lost(f"it was taken over by {shown(who, keep='')}")


def held_for(objects: Objects, manifest: Manifest) -> float:
    """For how many seconds a generation's lease goes on; 0 where it has ended."""
    if manifest.holder is None:
        return 0.0
    return max(0.0, manifest.lease_s - objects.seconds_since(manifest.name))


def prune(objects: Objects, latest: Manifest, *, uploads: bool = False) -> None:
    """Remove the generations that are too old, and what only they hold; with `uploads` also what
    tries that came to nothing have uploaded.

    What can't be removed now is in nobody's way, and goes the next time.
    """
    with suppress(OSError, NotWhole):
        all_numbers = numbers(objects)
        kept, old = all_numbers[:KEPT], all_numbers[KEPT:]
        if not old and not uploads:
            return
        needed: set[str] = set()
        gone: set[str] = set()
        for number in all_numbers:
            manifest = manifest_of(objects, number)
            if manifest is not None:
                held = {stored.object for stored in manifest.files.values()}
                (needed if number in kept else gone).update(held)
        objects.remove(f"{MANIFESTS}/{number:010}.json" for number in reversed(old))
        if uploads:  # of generations to come nobody knows yet
            gone |= {name for name in objects.names(UPLOADS) if _number(name) <= latest.generation}
        objects.remove(sorted(gone - needed))


def _number(upload: str) -> int:
    return int(upload.removeprefix(f"{UPLOADS}/").partition("-")[0])

"""Where studies lie: paths, folders of studies, globs and URIs, on any filesystem."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from tuner.errors import ResultsError
from tuner.store.layout import STUDY_FILE
from tuner.store.uris import filesystem


@dataclass(frozen=True)
class Place:
    """A study's folder on a filesystem (fsspec's)."""

    fs: Any
    path: str

    def __str__(self) -> str:
        return self.path if self.is_local else str(self.fs.unstrip_protocol(self.path))

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    @property
    def name(self) -> str:
        return self.tail(1)

    def tail(self, parts: int) -> str:
        """The last components of the path; the whole of it where it has no more."""
        return "/".join(self.path.strip("/").split("/")[-parts:])

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return bytes(self.fs.cat_file(f"{self.path}/{name}"))

    def open(self, name: str) -> Any:
        """A file to read bytes from, that can seek."""
        return self.fs.open(f"{self.path}/{name}", "rb")

    def names(self, folder: str) -> list[str]:
        """The names in a folder of it, hidden ones left out; none if there is no such folder."""
        path = f"{self.path}/{folder}"
        if not self.fs.isdir(path):
            return []
        names = [str(found).rsplit("/", 1)[-1] for found in self.fs.ls(path, detail=False)]
        return [name for name in names if not name.startswith(".")]


def find(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Place]:
    """The studies that a source names, each once, in its order.

    A source is a study's folder, a folder of such folders, a glob of either, the URI of one of
    these, or a list. Raises ResultsError for one that names no study.
    """
    sources = [source] if isinstance(source, str | os.PathLike) else list(source)
    if not sources:
        raise ResultsError("an empty list names no study; give the folder of one")
    found: dict[str, Place] = {}
    for one in sources:
        for place in _find_one(os.fspath(one)):
            found.setdefault(str(place), place)
    return list(found.values())


def _find_one(path: str) -> list[Place]:
    fs, inner = filesystem(path)
    try:
        fs.invalidate_cache()
        literal = _studies_at(fs, inner.rstrip("/"))
        if literal or not any(sign in inner for sign in "*?["):
            matches = literal
        else:
            matches = [place for match in fs.glob(inner) for place in _studies_at(fs, str(match))]
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error}") from None
    if not matches:
        raise ResultsError(f"{path} names no study: no {STUDY_FILE} there, nor in a folder of it")
    return matches


def _studies_at(fs: Any, path: str) -> list[Place]:
    """The study that a folder is, or those that it holds."""
    if fs.isfile(f"{path}/{STUDY_FILE}"):
        return [Place(fs, path)]
    if not fs.isdir(path):
        return []
    folders = sorted(
        str(entry["name"]) for entry in fs.ls(path, detail=True) if entry["type"] == "directory"
    )
    return [Place(fs, name) for name in folders if fs.isfile(f"{name}/{STUDY_FILE}")]

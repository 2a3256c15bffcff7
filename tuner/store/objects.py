"""Objects by name below a URI: the few calls that a copy of a study needs of a store.

A filesystem of fsspec's does them (s3fs, gcsfs, a mounted disk). Each call is whole or has not
happened; which of the two, a caller whose call failed can't know.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileSystem

from tuner.files import put_bytes, sync_folder

P = ParamSpec("P")
T = TypeVar("T")

FOLDERLESS = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}
"""Stores whose folders are made of the names in them."""
CLOCK = "clock"
"""An object that is written to learn what time the store says it is."""


def _told_as_oserror(call: Callable[P, T]) -> Callable[P, T]:
    """A store's own errors as OSErrors: botocore's are not, a refused connection among them."""

    @wraps(call)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return call(*args, **kwargs)
        except OSError:
            raise
        except Exception as error:
            raise OSError(str(error) or type(error).__name__) from error

    return told


class Objects:
    """The objects below `root` of a filesystem. Each call raises OSError where it may have failed.

    `guards` says whether `create` is one step of the store's, so that of two that create the same
    name one fails.
    """

    def __init__(self, fs: Any, root: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)
        protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
        self._folders = not protocols & FOLDERLESS
        self.guards = not isinstance(fs, ArrowFSWrapper)

    def below(self, name: str) -> Objects:
        """The objects in one of the folders."""
        return Objects(self._fs, f"{self._root}/{name}")

    @_told_as_oserror
    def folders(self) -> list[str]:
        """The names of the folders right here."""
        self._fs.invalidate_cache()
        if not self._fs.isdir(self._root):
            return []
        entries = self._fs.ls(self._root, detail=True)
        return [
            str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
            for entry in entries
            if entry["type"] == "directory"
        ]

    @_told_as_oserror
    def names(self, folder: str = "") -> list[str]:
        """The names of all objects in a folder and below it, from here."""
        self._fs.invalidate_cache()
        place = f"{self._root}/{folder}".rstrip("/")
        try:
            found = self._fs.find(place)
        except FileNotFoundError:
            return []
        head = f"{self._root}/"
        return sorted(str(name)[str(name).index(head) + len(head) :] for name in found)

    @_told_as_oserror
    def read(self, name: str) -> bytes | None:
        """What an object holds; None where it is not there."""
        try:
            return bytes(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    @_told_as_oserror
    def write(self, name: str, content: bytes) -> None:
        """Write an object, in another's place where there is one."""
        place = f"{self._root}/{name}"
        if self._local:  # NFS, say: a reader must not see half of it
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            put_bytes(Path(place), content)
            return
        self._make_folder(place)
        self._fs.pipe_file(place, content)

    @_told_as_oserror
    def create(self, name: str, content: bytes) -> None:
        """Write an object that is not there; an OSError of any kind where it is."""
        place = f"{self._root}/{name}"
        if not self._local:
            self._make_folder(place)
            self._fs.pipe_file(place, content, mode="create")
            return
        path = Path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        put_bytes(hidden, content)
        try:
            os.link(hidden, path)  # in one step, and only where the name is free
            sync_folder(path.parent)
        finally:
            hidden.unlink()

    @_told_as_oserror
    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; those that are gone already do not matter."""
        for name in names:
            with suppress(FileNotFoundError):
                self._fs.rm_file(f"{self._root}/{name}")

    @_told_as_oserror
    def remove_all(self) -> None:
        """Remove everything here."""
        self._fs.invalidate_cache()
        with suppress(FileNotFoundError):
            self._fs.rm(self._root, recursive=True)

    @_told_as_oserror
    def seconds_since(self, name: str) -> float:
        """How long ago an object was written, by the store's own clock, which is nobody's here."""
        self.write(CLOCK, os.urandom(8))
        self._fs.invalidate_cache()
        written, now = (self._fs.modified(f"{self._root}/{one}") for one in (name, CLOCK))
        return float((now - written).total_seconds())

    def _make_folder(self, place: str) -> None:
        if self._folders:
            self._fs.makedirs(place.rsplit("/", 1)[0], exist_ok=True)

"""Writing files so that a kill or a power cut leaves the old one or the new one, and never half.

A whole file is written under a hidden name and put on the disk before it is renamed, and its folder
after that. A file that grows is `AppendFile`: what could not be written whole is cut off before
anything follows it, and what was written reaches the disk within `COMMIT_S`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Timer
from typing import BinaryIO

COMMIT_S = 0.5
"""What was appended is on the disk after so long: many appends share one fsync of 1 to 10 ms."""


def put_bytes(path: Path, content: bytes, *, lasting: bool = True) -> None:
    """Write a whole file under a hidden name, then rename it into place; see `replacing`."""
    with replacing(path, lasting=lasting) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write, which becomes `path` if all goes well, and else is gone.

    Neither a link at `path` nor one at the hidden name is followed. One that is not to be `lasting`
    may be lost, or broken, by a power cut: a fsync costs a small file more than all else.
    """
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):  # of an earlier process of this number, killed
        hidden.unlink()
    try:
        with hidden.open("xb") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        os.replace(hidden, path)
        if lasting:
            sync_folder(path.parent)
    finally:
        with suppress(OSError):  # renamed, or nothing that a full disk could not do without
            hidden.unlink()


def sync_folder(path: Path) -> None:
    """Put a folder's names on the disk: after a power cut a renamed file is there by its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AppendFile:
    """A file that grows by whole records; safe to use from several threads.

    A record that a full disk took in part is cut off at once, or else before the next one is
    appended. Raises OSError from `append` and `sync`; also for an fsync that failed meanwhile,
    after which nothing that follows can be trusted to be there.
    """

    def __init__(self, path: Path) -> None:
        new = not path.exists()
        self._file = path.open("ab", buffering=0)
        weakref.finalize(self, self._file.close)  # a study that is dropped lets go of its files
        if new:
            sync_folder(path.parent)
        self.size = self._file.tell()
        """Bytes of whole records."""
        self._torn = self._dirty = False
        self._failed: OSError | None = None
        self._timer: Timer | None = None
        self._lock = Lock()

    def append(self, record: bytes) -> None:
        """Add a record. A kill can't take it any more when this returns, a power cut can."""
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._torn:
                self._cut()
            self._torn = True
            try:
                written = 0
                while written < len(record):
                    written += self._file.write(record[written:])
            except OSError:
                with suppress(OSError):  # the next append tries again, before anything else
                    self._cut()
                raise
            self._torn = False
            self.size += len(record)
            self._dirty = True
            if self._timer is None:
                self._timer = Timer(COMMIT_S, self._commit)
                self._timer.daemon = True
                self._timer.start()

    def sync(self) -> None:
        """Put all of it on the disk."""
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._dirty and not self._file.closed:
                try:
                    os.fsync(self._file.fileno())
                except OSError as error:
                    self._failed = error
                    raise
                self._dirty = False

    def close(self) -> None:
        """Put all of it on the disk and let go of the file."""
        try:
            self.sync()
        finally:
            with self._lock:
                self._file.close()
                if self._timer is not None:
                    self._timer.cancel()

    def _commit(self) -> None:
        with self._lock:
            self._timer = None
        with suppress(OSError):  # kept, and raised by the next append
            self.sync()

    def _cut(self) -> None:
        self._file.truncate(self.size)
        self._torn = False


def cut_tail(path: Path, is_whole: Callable[[bytes], bool]) -> int:
    """Cut what follows the last whole line, as a kill or a power cut leaves it; how many bytes.

    An unfinished line goes for good. What else is cut (a power cut can leave lines of zeros) is
    kept beside the file, as `NAME.cut`.
    """
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        keep = _last_whole(file, end, is_whole)
        if keep < end:
            file.seek(keep)
            rest = file.read()
            if b"\n" in rest:
                put_bytes(path.with_name(path.name + ".cut"), rest)
            file.truncate(keep)
            os.fsync(file.fileno())
        return end - keep


def _last_whole(file: BinaryIO, end: int, is_whole: Callable[[bytes], bool]) -> int:
    """Where the last whole line ends; `end` if that is the file's."""
    keep = _line_start(file, end)  # of what follows the last newline
    while keep > 0:
        start = _line_start(file, keep - 1)
        file.seek(start)
        if is_whole(file.read(keep - start)):
            break
        keep = start
    return keep


def _line_start(file: BinaryIO, end: int) -> int:
    """Where the line begins that reaches up to `end`."""
    while end > 0:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0

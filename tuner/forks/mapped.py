"""An object of large arrays that the processes of a node share: written once, mapped by each."""

from __future__ import annotations

import fcntl
import mmap
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = 3
"""Objects whose files are kept. An older one's goes; who has mapped it still has it."""
ALIGNED = 64
SUFFIX = ".mapped"


@dataclass(frozen=True)
class Mapped:
    """A file of an object: its pickle at the head, and its arrays as they lie in memory."""

    path: Path
    head: int
    arrays: tuple[tuple[int, int], ...]

    def load(self) -> Any:
        """The object, whose arrays cannot be written to."""
        with self.path.open("rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        views = [whole[start : start + size] for start, size in self.arrays]
        # runs code: what this user's own process has pickled
        return pickle.loads(whole[: self.head], buffers=views)


def mapped(folder: Path, name: str, make: Callable[[], Any]) -> Mapped:
    """What `make` makes, as a file of this name in a folder, written by the first that asks."""
    path, index = folder / f"{name}{SUFFIX}", folder / f"{name}.index"
    with (folder / "mapped.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not index.exists():
            _drop_old(folder)
            index.write_bytes(pickle.dumps(_write(path, make())))
        # runs code: what this user's own process has pickled
        found: Mapped = pickle.loads(index.read_bytes())
        return found


def _write(path: Path, made: Any) -> Mapped:
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(made, protocol=5, buffer_callback=buffers.append)
    arrays = []
    with path.open("wb") as file:
        file.write(head)
        for buffer in buffers:
            start = -(-file.tell() // ALIGNED) * ALIGNED
            file.seek(start)
            arrays.append((start, file.write(buffer.raw())))
    return Mapped(path, len(head), tuple(arrays))


def _drop_old(folder: Path) -> None:
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for path in files[: max(0, len(files) - KEPT + 1)]:
        path.with_suffix(".index").unlink(missing_ok=True)
        path.unlink(missing_ok=True)

"""What a cell prints, kept for its trial's log."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

KEPT_BYTES = 64 << 10
"""Of a cell's output the last so many are kept."""


@dataclass
class Captured:
    """`text` is there when the capture is over."""

    text: str = ""
    _file: IO[bytes] | None = None
    _before: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, file: IO[bytes]) -> None:
        """Let this process write to `file`."""
        self._file = file
        _flush()
        self._before = [(fd, os.dup(fd)) for fd in (1, 2)]
        for fd, _ in self._before:
            os.dup2(file.fileno(), fd)

    def end(self) -> None:
        """Let it write to where it wrote before."""
        _flush()
        for fd, saved in self._before:
            os.dup2(saved, fd)
            os.close(saved)
        self._before = []

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """Leave what is written inside to others, which may capture it for themselves."""
        file = self._file
        assert file is not None  # it captures
        self.end()
        try:
            yield
        finally:
            self.begin(file)


@contextmanager
def captured() -> Iterator[Captured]:
    """Everything that this process writes to stdout and stderr meanwhile, C's libraries included.

    For a worker's process, which does one cell at a time: whatever a thread writes is the cell's.
    """
    said = Captured()
    with tempfile.TemporaryFile() as file:
        said.begin(file)
        try:
            yield said
        finally:
            said.end()
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - KEPT_BYTES))
            said.text = file.read().decode(errors="replace")
            if size > KEPT_BYTES:
                said.text = f"... {size - KEPT_BYTES} bytes before\n{said.text}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()

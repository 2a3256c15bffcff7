"""What a cell prints, kept for its trial's log."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

KEPT_BYTES = 64 << 10
"""Of a cell's output the last so many are kept."""


@dataclass
class Captured:
    """`text` is there when the capture is over."""

    text: str = ""


@contextmanager
def captured() -> Iterator[Captured]:
    """Everything that this process writes to stdout and stderr meanwhile, C's libraries included.

    For a worker's process, which does one cell at a time: whatever a thread writes is the cell's.
    """
    said = Captured()
    with tempfile.TemporaryFile() as file:
        _flush()
        before = [(fd, os.dup(fd)) for fd in (1, 2)]
        for fd, _ in before:
            os.dup2(file.fileno(), fd)
        try:
            yield said
        finally:
            _flush()
            for fd, saved in before:
                os.dup2(saved, fd)
                os.close(saved)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - KEPT_BYTES))
            said.text = file.read().decode(errors="replace")
            if size > KEPT_BYTES:
                said.text = f"... {size - KEPT_BYTES} bytes before\n{said.text}"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()

"""Writing files so that a reader never sees half of one, and a kill never leaves half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def put_bytes(path: Path, content: bytes) -> None:
    """Write a whole file under a hidden name, then rename it into place."""
    with _hidden(path) as hidden:
        hidden.write_bytes(content)


def cut_unfinished_line(path: Path) -> bool:
    """Drop an unterminated last line, as a kill or a full disk leaves one; whether there was one.

    Optuna's journal opens with such a tail, then the first append makes it unreadable for good.
    """
    if not path.exists():
        return False
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep > 0:
            start = max(0, keep - 65536)
            file.seek(start)
            newline = file.read(keep - start).rfind(b"\n")
            if newline >= 0:
                keep = start + newline + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)
        return keep < end


@contextmanager
def _hidden(path: Path) -> Iterator[Path]:
    """The name to write a file under, which becomes `path` if all goes well, and else is gone."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield hidden
        os.replace(hidden, path)
    finally:
        with suppress(OSError):  # renamed, or nothing that a full disk could not do without
            hidden.unlink()

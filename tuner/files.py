"""Writing files so that a reader never sees half of one, and a kill never leaves half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def put_bytes(path: Path, content: bytes) -> None:
    """Write a whole file under a hidden name, then rename it into place."""
    with _hidden(path) as hidden:
        hidden.write_bytes(content)


def put_parquet(path: Path, table: pa.Table) -> None:
    """Write a whole Parquet file under a hidden name, then rename it into place."""
    with _hidden(path) as hidden:
        pq.write_table(table, hidden)


def cut_unfinished_line(path: Path) -> None:
    """Drop an unterminated last line, as a kill or a full disk leaves one.

    Optuna's journal opens with such a tail, then the first append makes it unreadable for good.
    """
    if not path.exists():
        return
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

"""Writing files so that a reader never sees half of one, and a kill never leaves half of one."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def put_bytes(path: Path, content: bytes) -> None:
    """Write a whole file under a hidden name, then rename it into place."""
    hidden = _hidden(path)
    hidden.write_bytes(content)
    os.replace(hidden, path)


def put_parquet(path: Path, table: pa.Table) -> None:
    """Write a whole Parquet file under a hidden name, then rename it into place."""
    hidden = _hidden(path)
    pq.write_table(table, hidden)
    os.replace(hidden, path)


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


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")

"""Logs of records, a line each, that say themselves whether they are whole.

    5f1c02aa 143 {"trial":7,"attempt":1,"fold":0,"epoch":3, ...}

A line is the CRC-32 of the JSON text as eight hexadecimal digits, its length in bytes, and the
text. Lines of plain JSON, as they were written before, are read too. Optuna's journal is such a log
of plain lines: Optuna reads it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.files import cut_tail


class Damaged(ValueError):
    """A line that is not a whole record."""


def encode(record: Mapping[str, Any]) -> bytes:
    """The line of a record."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %d %s\n" % (zlib.crc32(text), len(text), text)


def decode(line: bytes) -> dict[str, Any]:
    """The record of a line. Raises Damaged where it is not whole."""
    if not line.endswith(b"\n"):
        raise Damaged("it has no end")
    text = line[:-1]
    if not line.startswith(b"{"):
        head, _, rest = line[:-1].partition(b" ")
        length, _, text = rest.partition(b" ")
        if b"%08x %d" % (zlib.crc32(text), len(text)) != head + b" " + length:
            raise Damaged("its length or checksum is wrong")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise Damaged("it is not an object")
    return record


def is_whole(line: bytes) -> bool:
    """Whether a line is a record."""
    try:
        decode(line)
    except Damaged:
        return False
    return True


def cut_unfinished(path: Path) -> int:
    """Cut what a kill, a full disk or a power cut left at a log's end; how many bytes that were.

    To be done before anything is appended: what follows half a line belongs to it.
    """
    return cut_tail(path, is_whole)


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """A log's lines with their numbers, from 1; without a file none."""
    if path.exists():
        with path.open("rb") as file:
            yield from enumerate(file, 1)

"""Filesystems behind URIs: whatever fsspec or pyarrow knows."""

from __future__ import annotations

from typing import Any

from tuner.errors import ResultsError


def is_uri(place: str) -> bool:
    """Whether a place is a URI, such as s3://bucket/results, and no path."""
    return "://" in place


def filesystem(path: str) -> tuple[Any, str]:
    """The filesystem (fsspec's) of a path or URI, and the path on it.

    fsspec's own, else pyarrow's. Raises ResultsError where neither knows it.
    """
    import fsspec
    import pyarrow as pa
    import pyarrow.fs
    from fsspec.implementations.arrow import ArrowFSWrapper

    try:
        fs, inner = fsspec.core.url_to_fs(path)
        return fs, str(inner)
    except (ImportError, ValueError) as unknown:
        try:
            arrow, inner = pa.fs.FileSystem.from_uri(path)
        except (pa.ArrowException, OSError):
            raise ResultsError(f"no filesystem for {path!r}: {unknown}") from None
        return ArrowFSWrapper(arrow), str(inner)

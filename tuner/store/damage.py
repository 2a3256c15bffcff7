"""A study's folder is data: whatever it holds, reading it ends well or in one line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from tuner.errors import ResultsError

if TYPE_CHECKING:
    from pydantic import ValidationError

_STUMBLES = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RecursionError, TypeError, ValueError, pa.ArrowException,
)  # fmt: skip
"""What code that expects another kind of value raises."""


@contextmanager
def reading(place: object, *, writes: bool = False) -> Iterator[None]:
    """Say in a ResultsError what a damaged folder makes the block stumble over.

    The checks of each file name what is wrong in it. This is for what they do not foresee; it names
    where the block stumbled, and keeps the cause. With `writes`, OSError passes as it is.
    """
    try:
        yield
    except Exception as error:
        foreign = type(error).__module__.startswith(("pandas.", "optuna."))
        own = isinstance(error, _STUMBLES) or foreign
        if not own or (writes and isinstance(error, OSError)):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split())[:200]
        raise ResultsError(
            f"{place} is damaged: {type(error).__name__} {reason} "
            f"({Path(where.filename).name}:{where.lineno}); `tuner repair` mends what can be mended"
        ) from error


def first_fault(error: ValidationError) -> str:
    """The first field that is wrong, in a line."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{field} is missing; the file is not whole, or nothing that tuner wrote"
    rule = first["msg"].removeprefix("Input ")
    return f"{field} is {first['input']!r:.80}, and {rule}"

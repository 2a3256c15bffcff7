"""Numbers and lists in the words of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def number(value: Any) -> str:
    """A value, with four digits where it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{value:.4g}"
    return f"{value:.3e}"


def count(n: int, noun: str) -> str:
    """3 trials, 1 trial."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def some(names: Sequence[Any], most: int = 6) -> str:
    """1, 2 and 7 more."""
    said = ", ".join(map(str, names[:most]))
    return f"{said} and {len(names) - most} more" if len(names) > most else said


def seconds(value: float) -> str:
    """A time: 8.2 s, 41 s, 3 min 20 s, 2 h 05 min."""
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 90:
        return f"{whole} s"
    if whole < 5400:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def last_line(text: str) -> str:
    """The last line of a traceback that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""

"""What changed between two readings of a study, as short as it can be said."""

from __future__ import annotations

from typing import Any

Change = tuple[list[str | int], Any, bool]
"""A path into the data, a value, and whether that is a list's new end rather than the whole."""


def changes(old: Any, new: Any) -> list[Change]:
    """What makes `old` (plain JSON) into `new`, in order; of a list that grew, its new end."""
    found: list[Change] = []
    _compare(old, new, [], found)
    return found


def _compare(old: Any, new: Any, path: list[str | int], found: list[Change]) -> None:
    if old == new and type(old) is type(new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() <= new.keys():
        for key, value in new.items():
            if key in old:
                _compare(old[key], value, [*path, key], found)
            else:
                found.append(([*path, key], value, False))
    elif isinstance(old, list) and isinstance(new, list) and path and len(old) <= len(new):
        for place, value in enumerate(old):
            _compare(value, new[place], [*path, place], found)
        if len(new) > len(old):
            found.append((path, new[len(old) :], True))
    else:
        found.append((path, new, False))

"""Links in a study's folder: what is written there must not land elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tuner.errors import ResultsError


def check_links(folder: Path) -> None:
    """Raises ResultsError where something in a study's folder leads out of it.

    A study that came from elsewhere may hold a link to any file of its reader's, under the name of
    one that tuner writes.
    """
    root = folder.resolve()
    for path in _links(root):
        if not path.resolve().is_relative_to(root):
            raise ResultsError(
                f"{folder / path.relative_to(root)} is a symbolic link that leads out of the "
                "study's folder, where nothing may be written; put the file itself in its place"
            )


def _links(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(Path(entry.path))

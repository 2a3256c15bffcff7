"""Where a member of a population keeps its weights: `files/<trial>/weights-<epoch>.npz`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PATTERN = "weights-*.npz"


def weights_file(folder: Path, epoch: int) -> Path:
    """The file of an epoch in a trial's own folder."""
    return folder / f"weights-{epoch}.npz"


def forget_weights(files: Path, trial: int | None = None, *, but: Path | None = None) -> None:
    """Remove what a trial has kept below `files`, or all of them; `but` stays."""
    for path in files.glob(f"{'*' if trial is None else trial}/{PATTERN}"):
        if path != but:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # it holds what the training wrote
                path.parent.rmdir()

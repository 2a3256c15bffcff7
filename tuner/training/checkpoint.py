"""A cell's checkpoint: what its next attempt goes on from, when its worker or the driver died.

    <the cell's folder>/checkpoint.npz      plain arrays, and a line of JSON; no pickle

Beside what the training needs (weights, seeds of dropout, the optimizer's slots) it holds the
reports so far: a new attempt's take the place of the old one's, so it reports these epochs anew, at
once, and trains from there. It is removed when the cell ends, however it ends.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.trial.cells import Cell, Reported

CHECKPOINT_FILE = "checkpoint.npz"
ABOUT = "about"

Arrays = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """A training after the last of its `reports`; `arrays` are what it goes on from."""

    reports: Sequence[Reported]
    arrays: Arrays

    @property
    def epoch(self) -> int:
        """The last epoch that was trained, from 1."""
        return self.reports[-1][0]


@dataclass(frozen=True)
class CheckpointFile:
    """Where a cell's checkpoint lies; one is written `every` so many epochs, or none.

    `folder` is the cell's; without a folder nothing is kept. `trainer` is who trains: "fit" and
    "lanes" cannot go on from each other's.
    """

    folder: Path | None
    cell: Cell
    trainer: str
    every: int | None = None

    def due(self, epoch: int) -> bool:
        """Whether to write one after this epoch. After the last there is nothing to go on with."""
        if self.folder is None or self.every is None or epoch == self.cell.epochs:
            return False
        return epoch % self.every == 0

    def write(self, reports: Sequence[Reported], arrays: Arrays) -> None:
        """Keep this, whole, in place of the last. A disk that takes no more ends no training."""
        from tuner.files import put_bytes  # imports PyArrow, which a worker needs for this alone

        about = json.dumps({"whose": self._whose, "reports": reports})
        members: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
        members[ABOUT] = np.array(about)
        content = io.BytesIO()
        np.savez(content, **members)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            put_bytes(self._path, content.getvalue())
        except OSError as error:
            print(f"no checkpoint of epoch {reports[-1][0]}: {error}", flush=True)

    def read(self, fresh: Callable[[], Arrays]) -> Checkpoint | None:
        """What to go on from, None where there is nothing; what cannot be used is said and ignored.

        `fresh` gives the arrays of a training that begins: the same number, shapes and types.
        """
        if self.folder is None or not self._path.exists():
            return None
        try:
            whose, found = _read(self._path)
        except Exception as error:  # noqa: BLE001  # whatever NumPy and zipfile raise
            reason = str(error).partition("\n")[0] or type(error).__name__
            return self._ignore(f"it cannot be read ({reason})")
        if whose != self._whose:
            return self._ignore("it is of another point or engine")
        if _form(found.arrays) != _form(fresh()):
            return self._ignore("it is of another network or optimizer")
        print(f"{self._path}: training goes on after epoch {found.epoch}", flush=True)
        return found

    def remove(self) -> None:
        """Leave nothing behind, half a file of a killed worker and an empty folder included."""
        if self.folder is None or not self.folder.exists():
            return
        for path in [self._path, *self.folder.glob(f".{CHECKPOINT_FILE}.*")]:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # it holds what the training wrote
            self.folder.rmdir()

    @property
    def _path(self) -> Path:
        assert self.folder is not None
        return self.folder / CHECKPOINT_FILE

    @property
    def _whose(self) -> str:
        cell = self.cell
        parts = [self.trainer, cell.trial, cell.fold, cell.seed, cell.epochs, dict(cell.params)]
        return json.dumps(parts, sort_keys=True)

    def _ignore(self, why: str) -> Checkpoint | None:
        print(f"{self._path} is ignored, {why}: training starts at epoch 1", flush=True)
        return None


def _read(path: Path) -> tuple[str, Checkpoint]:
    """Whose a checkpoint is, and the checkpoint."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        broken = archive.zip.testzip()  # before a length in it is believed
        if broken is not None:
            raise ValueError(f"{broken} has changed")
        about = json.loads(str(archive[ABOUT]))
        arrays = [archive[str(index)] for index in range(len(archive.files) - 1)]
    reports = [
        (int(epoch), {str(name): float(value) for name, value in metrics.items()}, float(time_s))
        for epoch, metrics, time_s in about["reports"]
    ]
    if not reports:
        raise ValueError("no epoch in it")
    return str(about["whose"]), Checkpoint(reports, arrays)


def _form(arrays: Iterable[npt.NDArray[Any]]) -> list[tuple[Any, ...]]:
    return [(array.shape, array.dtype) for array in arrays]

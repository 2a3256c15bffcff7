"""Folds that a dataset brings with it: by groups, by time, or whatever a splitter made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import DatasetError

Array = npt.NDArray[Any]
Folds = tuple[tuple[Array, Array], ...]
"""Pairs of int64 indices: the samples to train on, and those to validate on."""


def own_folds(name: str, given: Any, samples: int) -> Folds:
    """Pairs of index arrays (or boolean masks), checked against the number of samples.

    Raises DatasetError naming the dataset and the fold.
    """
    folds = []
    for i, pair in enumerate(given):
        try:
            train, val = (_indices(part) for part in pair)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"{name}: fold {i} is not a pair of arrays of whole numbers: training, validation"
            ) from error
        for part in (train, val):
            if not len(part) or part.min() < 0 or part.max() >= samples:
                raise DatasetError(
                    f"{name}: fold {i} has an index outside of 0 to {samples - 1}, or none at all"
                )
        folds.append((train, val))
    if not folds:
        raise DatasetError(f"{name}: folds is empty; give one pair of indices or more, or None")
    return tuple(folds)


def _indices(part: Any) -> Array:
    array = np.asarray(part)
    if array.ndim != 1 or array.dtype.kind not in "biu":
        raise ValueError(array.dtype)
    chosen: Array = np.flatnonzero(array) if array.dtype.kind == "b" else array.astype(np.int64)
    return chosen


def numbered(folds: Folds) -> dict[str, Array]:
    """The arrays of the folds by name, for a fingerprint."""
    return {
        f"fold {i} {part}": indices
        for i, pair in enumerate(folds)
        for part, indices in zip(("train", "val"), pair, strict=True)
    }

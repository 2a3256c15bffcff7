"""Folds that a dataset brings with it: by groups, by time, or whatever a splitter made of it."""

from __future__ import annotations

from collections.abc import Iterable
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
    if not isinstance(given, Iterable):
        raise DatasetError(
            f"{name}: folds is {given!r:.200}, which holds no pairs of indices; give them, "
            "[(train_rows, val_rows)] or list(KFold(5).split(x_train)) say"
        )
    folds = []
    for i, pair in enumerate(given):
        try:
            train, val = (_indices(part) for part in pair)
            masks = [len(part) for part in pair if np.asarray(part).dtype.kind == "b"]
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"{name}: fold {i} is not a pair of arrays of whole numbers: training, validation"
            ) from error
        if wrong := next((length for length in masks if length != samples), None):
            raise DatasetError(
                f"{name}: fold {i} has a mask of {wrong} values, and there are {samples} training "
                "samples; give a value for each, or indices"
            )
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


def shared_rows(folds: Folds) -> str | None:
    """What is to be said of folds that validate on rows that they train on; None where none do."""
    shared = [len(np.intersect1d(train, val)) for train, val in folds]
    fold = next((i for i, rows in enumerate(shared) if rows), None)
    if fold is None:
        return None
    return f"fold {fold} trains on {shared[fold]} of the {len(folds[fold][1])} rows it validates on"


def numbered(folds: Folds) -> dict[str, Array]:
    """The arrays of the folds by name, for a fingerprint."""
    return {
        f"fold {i} {part}": indices
        for i, pair in enumerate(folds)
        for part, indices in zip(("train", "val"), pair, strict=True)
    }

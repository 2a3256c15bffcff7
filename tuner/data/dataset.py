"""A dataset: training and test parts as NumPy arrays, and what was found out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.data.arrays import Array, as_array, inputs
from tuner.data.given_folds import Folds, numbered, own_folds, shared_rows
from tuner.data.targets import targets
from tuner.errors import DatasetError

KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test parts; `n_classes` is None for a regression.

    `fingerprint` tells two datasets apart: 16 hex digits over shapes, dtypes and bytes. `folds`
    are pairs of int64 indices into the training part, those to train on and those to validate on,
    which take the place of the study's own splits; search and grid take the first. `classes` holds
    the texts behind class numbers, in their order. `done` says what was done to the arrays.

    A function that makes a dataset gives `name`, the arrays, and maybe `folds`, `scale` and `task`;
    the rest is found out. With `ready` its arrays are taken as they are: nothing is checked, found
    out or cast.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    n_classes: int | None = None
    fingerprint: str = ""
    folds: Folds | None = None
    classes: tuple[str, ...] | None = None
    task: str | None = None
    scale: float | None = None
    done: tuple[str, ...] = ()
    ready: bool = False

    def label(self, codes: Any) -> Array:
        """Class numbers as the labels that were given."""
        return np.asarray(codes) if self.classes is None else np.array(self.classes)[codes]


def from_arrays(
    name: str,
    x_train: Any,
    y_train: Any,
    x_test: Any,
    y_test: Any,
    folds: Any = None,
    *,
    scale: float | None = None,
    task: str | None = None,
) -> Dataset:
    """A dataset of these arrays, as the module says. Raises DatasetError naming array and rule."""
    done: list[str] = []
    given = dict(zip(KEYS, (x_train, y_train, x_test, y_test), strict=True))
    arrays = {key: as_array(name, key, value, done) for key, value in given.items()}
    given_folds = None if folds is None else own_folds(name, folds, len(arrays["x_train"]))
    fingerprint = fingerprint_of({**arrays, **numbered(given_folds or ())})
    _check_columns(name, x_train, x_test)
    if said := shared_rows(given_folds or ()):
        done.append(said)
    for part in ("train", "test"):
        _check_lengths(name, part, arrays)
    x_shape, x_test_shape = arrays["x_train"].shape[1:], arrays["x_test"].shape[1:]
    if x_shape != x_test_shape:
        raise DatasetError(
            f"{name}: x_test has samples of shape {x_test_shape} and x_train of {x_shape}; "
            "they must agree"
        )
    x = inputs(name, arrays["x_train"], arrays["x_test"], scale, done)
    y = targets(name, arrays["y_train"], arrays["y_test"], task, done)
    return Dataset(
        name=name,
        x_train=x[0],
        y_train=y.train,
        x_test=x[1],
        y_test=y.test,
        n_classes=y.n_classes,
        fingerprint=fingerprint,
        folds=given_folds,
        classes=y.classes,
        task=task,
        scale=scale,
        done=tuple(dict.fromkeys(done)),
    )


def fingerprint_of(arrays: Mapping[str, Array]) -> str:
    """16 hex digits of a SHA-256 over the arrays' names, shapes, dtypes and bytes."""
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.shape} {array.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _check_columns(name: str, train: Any, test: Any) -> None:
    """Raises DatasetError for two tables whose columns are others, or stand in another order."""
    if not (hasattr(train, "columns") and hasattr(test, "columns")):
        return
    had, has = list(train.columns), list(test.columns)
    if len(had) != len(has) or had == has:  # another number of them is said of the samples' shape
        return
    if set(had) == set(has):
        raise DatasetError(
            f"{name}: x_test has the columns of x_train in another order; "
            "give x_test[x_train.columns]"
        )
    unknown = next(column for column in has if column not in had)
    raise DatasetError(
        f"{name}: x_test has a column {unknown!r}, which x_train lacks; both must have the same"
    )


def _check_lengths(name: str, part: str, arrays: Mapping[str, Array]) -> None:
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if x.ndim < 2:
        raise DatasetError(f"{name}: x_{part} has shape {x.shape}; it must be (samples, ...)")
    if len(x) != len(y):
        raise DatasetError(
            f"{name}: x_{part} has {len(x)} samples and y_{part} {len(y)}; they must be as many"
        )

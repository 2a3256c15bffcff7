"""Targets as given: whether y is classes or a regression's numbers, and how many classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.data.arrays import Array, dtypes_of, float32
from tuner.errors import DatasetError

TASKS = ("classes", "regression")
MOST_FLOAT_CLASSES = 1000
"""More values than this in a column of floats are not classes, whole numbers or not."""


@dataclass(frozen=True)
class Targets:
    """`n_classes` is None for a regression; `classes` holds the texts behind the class numbers."""

    train: Array
    test: Array
    n_classes: int | None
    classes: tuple[str, ...] | None = None


def targets(name: str, train: Array, test: Array, task: str | None, done: list[str]) -> Targets:
    """y of both parts, in the shape that was given, and what it says of classes.

    Whole numbers, booleans and texts are classes, one-hot rows too; floats are where they are 0, 1,
    2, ... with no gap. `task` "regression" says that numbers are not, "classes" that floats are.
    """
    if task is not None and task not in TASKS:
        raise DatasetError(f"{name}: task {task!r} is not one of {', '.join(TASKS)}")
    texts = [y.dtype.kind in "US" for y in (train, test)]
    _check_alike(name, train, test, texts)
    if all(texts):
        if task == "regression":
            raise DatasetError(f"{name}: y_train holds texts, which a regression cannot have")
        return _encoded(name, train, test, done)
    if task == "regression":
        done.append(f"y {dtypes_of(train, test)} as a regression's, as float32")
        return Targets(float32(name, "y_train", train), float32(name, "y_test", test), None)
    if is_one_hot(train):
        if not is_one_hot(test):
            raise DatasetError(
                f"{name}: y_train holds one-hot rows and y_test others; "
                "task='regression' where these are not classes"
            )
        done.append(f"y one-hot rows of {train.shape[1]} classes, stratified")
        return Targets(*_plain(name, train, test), train.shape[1])
    column = train.ndim == 1 or train.shape[1:] == (1,)
    if column and _are_signs(train):
        _check_signs(name, test)
        done.append("y of -1 and 1 as given: 2 classes, stratified; task='regression' not")
        return Targets(*_plain(name, train, test), 2)
    if task == "classes" and not column:
        raise DatasetError(
            f"{name}: task 'classes' takes labels or one-hot rows, and y_train has "
            f"{_described(train)}; drop the task for several labels or numbers a sample"
        )
    if train.dtype.kind == "f":
        if column and (task == "classes" or _counts_from_0(train)):
            n_classes = _count_classes(name, train, test)
            done.append(f"y floats that are {n_classes} classes, stratified; task='regression' not")
            return Targets(*_plain(name, train, test), n_classes)
        return Targets(*_plain(name, train, test), None)
    if not column:
        done.append(f"y of shape {train.shape[1:]} as given, not stratified")
        return Targets(*_plain(name, train, test), None)
    return Targets(*_plain(name, train, test), _count_classes(name, train, test))


def strata(y: Array) -> Array:
    """Class numbers of targets that are classes: int64 of shape (samples,)."""
    numbers = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    if (numbers == -1).any():  # -1 and 1, as a hinge loss has them
        numbers = numbers > 0
    return numbers.astype(np.int64)


def is_one_hot(y: Array) -> bool:
    """Whether each row is zeros and a single one."""
    if y.ndim != 2 or y.shape[1] < 2 or y.dtype.kind not in "buif":
        return False
    return bool((((y == 0) | (y == 1)).all()) and (y.sum(axis=1) == 1).all())


def _plain(name: str, train: Array, test: Array) -> tuple[Array, Array]:
    """Targets in the dtype that losses take: whole numbers as int64, floats as float32.

    Raises DatasetError for those that it cannot hold.
    """
    if train.dtype.kind == "f":
        return float32(name, "y_train", train), float32(name, "y_test", test)
    most = np.iinfo(np.int64).max
    for key, y in (("y_train", train), ("y_test", test)):
        if y.dtype == np.uint64 and (y > most).any():
            raise DatasetError(f"{name}: {key} holds numbers beyond int64; scale it first")
    return np.ascontiguousarray(train, np.int64), np.ascontiguousarray(test, np.int64)


def _check_alike(name: str, train: Array, test: Array, texts: list[bool]) -> None:
    floats = [y.dtype.kind == "f" for y in (train, test)]
    if floats[0] != floats[1] or texts[0] != texts[1] or train.shape[1:] != test.shape[1:]:
        raise DatasetError(
            f"{name}: y_train has {_described(train)} and y_test {_described(test)}; "
            "both must be labels, or both numbers of one shape"
        )


def _encoded(name: str, train: Array, test: Array, done: list[str]) -> Targets:
    """Texts as class numbers."""
    if train.ndim > 1 and train.shape[1:] != (1,):
        raise DatasetError(
            f"{name}: y_train holds texts of shape {train.shape}; give (samples,), one a sample"
        )
    known, codes = np.unique(train, return_inverse=True)
    unknown = np.setdiff1d(test, known)
    if len(unknown):
        raise DatasetError(f"{name}: y_test holds label {unknown[0]!r}, which y_train lacks")
    if len(known) < 2:
        raise DatasetError(f"{name}: y_train holds one class only, {known[0]}; give two or more")
    classes = tuple(t.decode() if isinstance(t, bytes) else str(t) for t in known.tolist())
    shown = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
    done.append(f"y texts as class numbers 0 to {len(classes) - 1}: {shown}")
    return Targets(
        codes.reshape(train.shape).astype(np.int64),
        np.searchsorted(known, test).astype(np.int64),
        len(classes),
        classes,
    )


def _are_signs(y: Array) -> bool:
    """Whether targets are -1 and 1, each at least twice: a hinge loss' two classes."""
    values, counts = np.unique(y, return_counts=True)
    return values.tolist() == [-1, 1] and int(counts.min()) > 1


def _check_signs(name: str, test: Array) -> None:
    unknown = np.setdiff1d(test, [-1, 1])
    if len(unknown):
        raise DatasetError(
            f"{name}: y_test holds {unknown[0]}, and y_train is of -1 and 1; "
            "task='regression' where these are not classes"
        )


def _counts_from_0(y: Array) -> bool:
    """Whether floats are 0, 1, 2, ... without a gap, each at least twice."""
    values, counts = np.unique(y, return_counts=True)
    few = 2 <= len(values) <= min(MOST_FLOAT_CLASSES, len(y) // 2)
    return few and bool((values == np.arange(len(values))).all()) and bool(counts.min() > 1)


def _count_classes(name: str, train: Array, test: Array) -> int:
    labels = np.unique(train)
    if len(labels) < 2:
        raise DatasetError(f"{name}: y_train holds one class only, {labels[0]}; give two or more")
    if (labels != np.arange(len(labels))).any():
        raise DatasetError(
            f"{name}: y_train holds {len(labels)} labels from {labels[0]} to {labels[-1]}; "
            f"they must be 0 to {len(labels) - 1} without gaps (np.unique's return_inverse gives "
            "them), or the targets of a regression, by task='regression'"
        )
    unknown = np.setdiff1d(test, labels)
    if len(unknown):
        raise DatasetError(
            f"{name}: y_test holds label {unknown[0]}, which y_train lacks; "
            "task='regression' where these are not classes"
        )
    return len(labels)


def _described(y: Array) -> str:
    return f"{y.dtype} of shape {y.shape}"

"""Arrays as given: what a dataset's x and y may be, what is done to them, and how that is said.

Values, shapes and meaning stay as they were given. What is done is little, and each thing that is
done stands in `done`, a list of short texts, which the output and study.json show:

- floats become float32, which is what Keras makes of them; labels that are whole numbers, int64;
- labels that are -1 and 1 stay so, and are two classes;
- labels that are texts become class numbers, from 0 in sorted order; `classes` keeps the texts;
- a sparse matrix becomes a dense one, a table of pandas its values;
- x is divided by `scale` where that is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import DatasetError

Array = npt.NDArray[Any]
TASKS = ("classes", "regression")
DENSE_BYTES = 2**31
"""A sparse matrix that would take more than this is not made dense."""
MOST_FLOAT_CLASSES = 1000
"""More values than this in a column of floats are not classes, whole numbers or not."""


@dataclass(frozen=True)
class Targets:
    """`n_classes` is None for a regression; `classes` holds the texts behind the class numbers."""

    train: Array
    test: Array
    n_classes: int | None
    classes: tuple[str, ...] | None = None


def as_array(name: str, key: str, given: Any, done: list[str]) -> Array:
    """What was given for x or y as an array of numbers, or of texts where it is y.

    Raises DatasetError naming key and rule, with the way out for what is not taken.
    """
    _refuse_streams(name, key, given)
    if isinstance(given, np.ma.MaskedArray) and given.mask.any():
        raise DatasetError(
            f"{name}: {key} is a masked array of which {int(given.mask.sum())} values are masked; "
            "fill them first (array.filled(value)), or leave their rows out"
        )
    if hasattr(given, "toarray") and hasattr(given, "nnz"):
        given = _dense(name, key, given, done)
    elif hasattr(given, "columns") and hasattr(given, "to_numpy"):
        given = _table(name, key, given)
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise DatasetError(
            f"{name}: {key} has rows of different lengths; make them equal"
        ) from error
    if array.dtype.kind == "O":
        array = _of_objects(name, key, array)
    texts = key.startswith("y_") and array.dtype.kind in "US"
    if array.dtype.kind not in "buif" and not texts:
        raise DatasetError(f"{name}: {key} has dtype {array.dtype}; it must hold numbers")
    if array.ndim == 0 or array.size == 0:
        raise DatasetError(f"{name}: {key} is empty, of shape {array.shape}; give samples")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"{name}: {key} holds NaN or infinity; clean it first")
    return array


def inputs(
    name: str, train: Array, test: Array, scale: float | None, done: list[str]
) -> tuple[Array, Array]:
    """x of both parts: divided by `scale`; floats as float32; whole numbers as they are."""
    if scale is not None:
        if isinstance(scale, bool) or not isinstance(scale, int | float) or not scale > 0:
            raise DatasetError(f"{name}: scale {scale!r} must be a number above 0")
        done.append(f"x divided by {scale:g}, as float32")
        divided = (np.divide(x, scale, dtype=np.float32) for x in (train, test))
        return next(divided), next(divided)
    if train.dtype != test.dtype or train.dtype.kind == "f":
        if {train.dtype, test.dtype} != {np.dtype(np.float32)}:
            done.append(f"x {_dtypes(train, test)} as float32")
        return _float32(name, "x_train", train), _float32(name, "x_test", test)
    if train.dtype == np.uint8 and train.ndim > 2:
        done.append("x uint8 as given, 0 to 255; scale=255 divides")
    return np.ascontiguousarray(train), np.ascontiguousarray(test)


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
        done.append(f"y {_dtypes(train, test)} as a regression's, as float32")
        return Targets(_float32(name, "y_train", train), _float32(name, "y_test", test), None)
    if is_one_hot(train):
        done.append(f"y one-hot rows of {train.shape[1]} classes, stratified")
        return Targets(_plain(train), _plain(test), train.shape[1])
    column = train.ndim == 1 or train.shape[1:] == (1,)
    if column and _are_signs(train):
        _check_signs(name, test)
        done.append("y of -1 and 1 as given: 2 classes, stratified; task='regression' not")
        return Targets(_plain(train), _plain(test), 2)
    if train.dtype.kind == "f":
        if column and (task == "classes" or _counts_from_0(train)):
            n_classes = _count_classes(name, train, test)
            done.append(f"y floats that are {n_classes} classes, stratified; task='regression' not")
            return Targets(_plain(train), _plain(test), n_classes)
        return Targets(_plain(train), _plain(test), None)
    if not column:
        done.append(f"y of shape {train.shape[1:]} as given, not stratified")
        return Targets(_plain(train), _plain(test), None)
    return Targets(_plain(train), _plain(test), _count_classes(name, train, test))


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


def _refuse_streams(name: str, key: str, given: Any) -> None:
    """Refuse what has no rows that folds could pick, or more than one array of them."""
    if hasattr(given, "element_spec") or hasattr(given, "as_numpy_iterator"):
        raise DatasetError(
            f"{name}: {key} is a tf.data.Dataset, whose samples cannot be picked for folds; give "
            "arrays (np.stack(list(data.as_numpy_iterator()))), or read it inside a training "
            "function, with dataset=None"
        )
    several = isinstance(given, Mapping) or (
        isinstance(given, Sequence)
        and not isinstance(given, str)
        and len(given) > 1
        and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in given)
        and len({part.shape[1:] for part in given}) > 1
    )
    if several:
        what = "inputs" if key.startswith("x") else "outputs"
        raise DatasetError(
            f"{name}: {key} holds {len(given)} {what}, and a dataset has one array of each; join "
            "them (np.concatenate along axis 1) and cut them apart in the model, or load them "
            "inside a training function, with dataset=None"
        )


def _dense(name: str, key: str, given: Any, done: list[str]) -> Array:
    size = int(np.prod(given.shape)) * given.dtype.itemsize
    if size > DENSE_BYTES:
        raise DatasetError(
            f"{name}: {key} is a sparse matrix that takes {size / 2**30:.1f} GiB as an array; "
            "reduce its columns first (TruncatedSVD, say)"
        )
    done.append(f"{key} sparse, made dense")
    dense: Array = given.toarray()
    return dense


def _table(name: str, key: str, given: Any) -> Array:
    array: Array = given.to_numpy()
    if array.dtype.kind == "O" and key.startswith("x_"):
        import pandas as pd

        texts = [str(c) for c in given.columns if not pd.api.types.is_numeric_dtype(given[c])]
        if texts:
            raise DatasetError(
                f"{name}: {key} has columns that hold no numbers: {', '.join(texts)}; "
                "encode them first (pandas.get_dummies, say)"
            )
        array = given.to_numpy(dtype=float, na_value=np.nan)
    return array


def _of_objects(name: str, key: str, array: Array) -> Array:
    """An array of Python objects as one of numbers or texts."""
    kinds = {type(value) for value in array.flat}
    if kinds <= {str, np.str_} and key.startswith("y_"):
        return array.astype(str)
    if kinds and all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
        return np.array(array.tolist())
    named = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise DatasetError(
        f"{name}: {key} holds Python objects ({named}); save one rectangular array of numbers"
    )


def _float32(name: str, key: str, given: Array) -> Array:
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(given, dtype=np.float32)
    if given.dtype.kind == "f" and not np.isfinite(cast).all():
        raise DatasetError(f"{name}: {key} holds numbers beyond float32; scale it first")
    return cast


def _plain(y: Array) -> Array:
    """Targets in the dtype that losses take: whole numbers as int64, floats as float32."""
    return np.ascontiguousarray(y, dtype=np.float32 if y.dtype.kind == "f" else np.int64)


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


def _dtypes(train: Array, test: Array) -> str:
    return " and ".join(sorted({str(train.dtype), str(test.dtype)}))


def _described(y: Array) -> str:
    return f"{y.dtype} of shape {y.shape}"

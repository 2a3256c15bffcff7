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

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.errors import DatasetError

Array = npt.NDArray[Any]
DENSE_BYTES = 2**31
"""A sparse matrix that would take more than this is not made dense."""


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
        real = isinstance(scale, numbers.Real) and not isinstance(scale, bool | np.bool_)
        if not real or not 0 < scale < np.inf:
            raise DatasetError(f"{name}: scale {scale!r} must be a number above 0")
        done.append(f"x divided by {scale:g}, as float32")
        divided = (np.divide(x, scale, dtype=np.float32) for x in (train, test))
        return next(divided), next(divided)
    if train.dtype != test.dtype or train.dtype.kind == "f":
        if {train.dtype, test.dtype} != {np.dtype(np.float32)}:
            done.append(f"x {dtypes_of(train, test)} as float32")
        return float32(name, "x_train", train), float32(name, "x_test", test)
    if train.dtype == np.uint8 and train.ndim > 2:
        done.append("x uint8 as given, 0 to 255; scale=255 divides")
    return np.ascontiguousarray(train), np.ascontiguousarray(test)


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
    missing = sum(_is_missing(value) for value in array.flat)
    if missing:
        raise DatasetError(
            f"{name}: {key} lacks {missing} of its values (None or NaN); fill them, or leave their "
            "rows out"
        )
    kinds = {type(value) for value in array.flat}
    if kinds <= {str, np.str_} and key.startswith("y_"):
        return array.astype(str)
    if kinds and all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
        return np.array(array.tolist())
    named = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise DatasetError(
        f"{name}: {key} holds Python objects ({named}); save one rectangular array of numbers"
    )


def _is_missing(value: Any) -> bool:
    nan = isinstance(value, float) and value != value
    return value is None or nan or type(value).__name__ in ("NAType", "NaTType")


def float32(name: str, key: str, given: Array) -> Array:
    """Numbers as float32. Raises DatasetError for those that it cannot hold."""
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(given, dtype=np.float32)
    if given.dtype.kind == "f" and not np.isfinite(cast).all():
        raise DatasetError(f"{name}: {key} holds numbers beyond float32; scale it first")
    return cast


def dtypes_of(train: Array, test: Array) -> str:
    """The dtypes of both parts, in words."""
    return " and ".join(sorted({str(train.dtype), str(test.dtype)}))

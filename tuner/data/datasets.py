"""Datasets: training and test parts as NumPy arrays, ready to train on.

`load` takes one of

- "digits": scikit-learn's 1,797 handwritten digits, x (n, 8, 8), divided by 16; embedded, no
  network. The test part is a fixed stratified fifth.
- "mnist", "fashion_mnist": through `keras.datasets`, x (n, 28, 28).
- the path of an .npz in Keras' layout: `x_train`, `y_train`, `x_test`, `y_test`.
- a function without arguments that returns a `Dataset`, a dict with those four keys,
  `((x_train, y_train), (x_test, y_test))` or `(x_train, y_train, x_test, y_test)`. A `Dataset`
  may bring `folds` of its own, by groups or by time, say.

What the arrays become, wherever they come from:

- x: float32, its shape kept. uint8 is divided by 255; other numbers keep their values.
- y: whole numbers or booleans are class labels, int64 of shape (n,), from 0 without gaps; a column
  (n, 1) is flattened, and one-hot rows (n, classes) become labels. Other floats are the targets of
  a regression and become float32.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.data.given_folds import Folds, numbered, own_folds
from tuner.errors import DatasetError

Array = npt.NDArray[Any]
KEYS = ("x_train", "y_train", "x_test", "y_test")
DIGITS_TEST_SHARE = 0.2
DIGITS_TEST_SEED = 0


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test parts; `n_classes` is None for a regression.

    `fingerprint` tells two datasets apart: 16 hex digits over shapes, dtypes and bytes. `folds`
    are pairs of int64 indices into the training part, those to train on and those to validate on,
    which take the place of the study's own splits; search and grid take the first.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    n_classes: int | None
    fingerprint: str
    folds: Folds | None = None


Source = str | Callable[[], Any]


def load(spec: Source) -> Dataset:
    """The dataset that `spec` names; see the module. Raises DatasetError, always in one line."""
    if callable(spec):
        return _load_function(spec)
    if not isinstance(spec, str):
        raise DatasetError(f"dataset {spec!r} is neither a name, a path nor a function")
    if spec in _NAMED:
        return _NAMED[spec](spec)
    if spec.endswith(".npz") or Path(spec).exists():
        return _load_npz(Path(spec))
    raise DatasetError(
        f"dataset {spec!r} is unknown; take {', '.join(_NAMED)}, or the path of an .npz"
    )


def from_arrays(
    name: str, x_train: Any, y_train: Any, x_test: Any, y_test: Any, folds: Any = None
) -> Dataset:
    """A dataset of these arrays, as the module says. Raises DatasetError naming array and rule."""
    arrays = {
        key: _as_array(name, key, given)
        for key, given in zip(KEYS, (x_train, y_train, x_test, y_test), strict=True)
    }
    given_folds = None if folds is None else own_folds(name, folds, len(arrays["x_train"]))
    fingerprint = fingerprint_of({**arrays, **numbered(given_folds or ())})
    for part in ("train", "test"):
        _check_lengths(name, part, arrays)
    x_shape, x_test_shape = arrays["x_train"].shape[1:], arrays["x_test"].shape[1:]
    if x_shape != x_test_shape:
        raise DatasetError(
            f"{name}: x_test has samples of shape {x_test_shape} and x_train of {x_shape}; "
            "they must agree"
        )
    train, test = (_targets(name, key, arrays[key]) for key in ("y_train", "y_test"))
    if train.dtype != test.dtype or train.shape[1:] != test.shape[1:]:
        raise DatasetError(
            f"{name}: y_train has {_described(arrays['y_train'])} and y_test "
            f"{_described(arrays['y_test'])}; both must be labels, or both numbers of one shape"
        )
    return Dataset(
        name=name,
        x_train=_inputs(name, "x_train", arrays["x_train"]),
        y_train=train,
        x_test=_inputs(name, "x_test", arrays["x_test"]),
        y_test=test,
        n_classes=_count_classes(name, train, test) if train.dtype == np.int64 else None,
        fingerprint=fingerprint,
        folds=given_folds,
    )


def fingerprint_of(arrays: Mapping[str, Array]) -> str:
    """16 hex digits of a SHA-256 over the arrays' names, shapes, dtypes and bytes."""
    digest = hashlib.sha256()
    for key, array in arrays.items():
        digest.update(f"{key} {array.shape} {array.dtype.str} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _load_digits(name: str) -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        (digits.images / 16).astype(np.float32),
        digits.target,
        test_size=DIGITS_TEST_SHARE,
        random_state=DIGITS_TEST_SEED,
        stratify=digits.target,
    )
    return from_arrays(name, x_train, y_train, x_test, y_test)


def _load_keras(name: str) -> Dataset:
    try:
        import keras.datasets

        # The download draws its progress bar on the standard output, which is not ours to fill.
        with redirect_stdout(StringIO()):
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise DatasetError(
            f"dataset {name!r} cannot be had from keras.datasets ({_one_line(error)})",
            field="dataset",
            way_out="give the path of your own copy, an .npz",
        ) from error
    return from_arrays(name, x_train, y_train, x_test, y_test)


_NAMED: dict[str, Callable[[str], Dataset]] = {
    "digits": _load_digits,
    "mnist": _load_keras,
    "fashion_mnist": _load_keras,
}


def _load_npz(path: Path) -> Dataset:
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; give the path of an .npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in archive]
            if missing:
                raise DatasetError(
                    f"{path}: lacks {', '.join(missing)}; Keras' layout has {', '.join(KEYS)}"
                )
            arrays = {key: _read_member(path, key, archive) for key in KEYS}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path}: is no readable .npz ({_one_line(error)})") from error
    return from_arrays(str(path), **arrays)


def _read_member(path: Path, key: str, archive: Mapping[str, Array]) -> Array:
    try:
        return archive[key]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise DatasetError(
            f"{path}: {key} holds Python objects (rows of different lengths?); "
            "save one rectangular array of numbers"
        ) from error


def _load_function(function: Callable[[], Any]) -> Dataset:
    name = getattr(function, "__name__", type(function).__name__)
    try:
        made = function()
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"dataset function {name} raised {_one_line(error)}") from error
    match made:
        case Dataset():
            parts = [getattr(made, key) for key in (*KEYS, "folds")]
            name = made.name
        case Mapping() if all(key in made for key in KEYS):
            parts = [made[key] for key in KEYS]
        case ((x_train, y_train), (x_test, y_test)):
            parts = [x_train, y_train, x_test, y_test]
        case (_, _, _, _):
            parts = list(made)
        case _:
            raise DatasetError(
                f"dataset function {name} returned {type(made).__name__}; return a Dataset, "
                f"a dict with {', '.join(KEYS)}, or ((x_train, y_train), (x_test, y_test))"
            )
    return from_arrays(name, *parts)


def _as_array(name: str, key: str, given: Any) -> Array:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise DatasetError(
            f"{name}: {key} has rows of different lengths; make them equal"
        ) from error
    if array.dtype.kind not in "buif":
        raise DatasetError(f"{name}: {key} has dtype {array.dtype}; it must hold numbers")
    if array.ndim == 0 or array.size == 0:
        raise DatasetError(f"{name}: {key} is empty, of shape {array.shape}; give samples")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DatasetError(f"{name}: {key} holds NaN or infinity; clean it first")
    return array


def _check_lengths(name: str, part: str, arrays: Mapping[str, Array]) -> None:
    x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if x.ndim < 2:
        raise DatasetError(f"{name}: x_{part} has shape {x.shape}; it must be (samples, ...)")
    if len(x) != len(y):
        raise DatasetError(
            f"{name}: x_{part} has {len(x)} samples and y_{part} {len(y)}; they must be as many"
        )


def _inputs(name: str, key: str, x: Array) -> Array:
    if x.dtype == np.uint8:
        return np.divide(x, 255, dtype=np.float32)
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(x, dtype=np.float32)
    if x.dtype == np.float64 and not np.isfinite(cast).all():
        raise DatasetError(f"{name}: {key} holds numbers beyond float32; scale it first")
    return cast


def _targets(name: str, key: str, y: Array) -> Array:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if _is_one_hot(y):
        labels: Array = y.argmax(axis=1)
        return labels.astype(np.int64, copy=False)
    if y.dtype.kind == "f":
        return np.ascontiguousarray(y, dtype=np.float32)
    if y.ndim > 1:
        raise DatasetError(
            f"{name}: {key} has shape {y.shape}; labels are (samples,) or one-hot rows"
        )
    return y.astype(np.int64)


def _is_one_hot(y: Array) -> bool:
    if y.ndim != 2 or y.shape[1] < 2:
        return False
    return bool((((y == 0) | (y == 1)).all()) and (y.sum(axis=1) == 1).all())


def _count_classes(name: str, train: Array, test: Array) -> int:
    labels = np.unique(train)
    if len(labels) < 2:
        raise DatasetError(f"{name}: y_train holds one class only, {labels[0]}; give two or more")
    if labels[0] != 0 or labels[-1] != len(labels) - 1:
        raise DatasetError(
            f"{name}: y_train holds {len(labels)} labels from {labels[0]} to {labels[-1]}; "
            f"they must be 0 to {len(labels) - 1} without gaps"
        )
    unknown = np.setdiff1d(test, labels)
    if len(unknown):
        raise DatasetError(f"{name}: y_test holds label {unknown[0]}, which y_train lacks")
    return len(labels)


def _described(y: Array) -> str:
    return f"{y.dtype} of shape {y.shape}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

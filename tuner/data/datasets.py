"""Datasets: training and test parts as NumPy arrays, ready to train on.

`load` takes one of

- "digits": scikit-learn's 1,797 handwritten digits, x (n, 8, 8), divided by 16; embedded, no
  network. The test part is a fixed stratified fifth.
- "mnist", "fashion_mnist": through `keras.datasets`, x (n, 28, 28), divided by 255.
- the path of an .npz in Keras' layout: `x_train`, `y_train`, `x_test`, `y_test`; x is divided by
  255 where the file's name says that it is one of these images (mnist.npz, own_mnist.npz), else by
  a number `scale` in the file; a text `task` may stand there too.
- a function without arguments that returns a `Dataset`, a dict with those four keys,
  `((x_train, y_train), (x_test, y_test))` or `(x_train, y_train, x_test, y_test)`. A `Dataset` or
  dict may bring `folds` of its own, by groups or by time, say, a `scale` to divide x by, and a
  `task`, "regression" or "classes".

What little is done to the arrays is in `tuner.data.arrays`, and is said.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from tuner.data.arrays import Array
from tuner.data.dataset import KEYS, Dataset, fingerprint_of, from_arrays
from tuner.data.given_folds import numbered, own_folds
from tuner.errors import DatasetError

__all__ = ["Dataset", "Source", "check_source", "from_arrays", "load"]

FOLDS_FORM = "[(train_rows, val_rows)]"
SAID = ("scale", "task")
"""What an .npz may hold besides."""
MORE = ("folds", *SAID)
"""What a dict may hold besides."""
WAYS_OUT = {
    "sample_weight": "compile and weigh inside a training function, where fit takes them",
    "class_weight": "compile and weigh inside a training function, where fit takes them",
    "x_val": f"join both parts and say which rows are which by folds={FOLDS_FORM}",
}
"""What else people give, by how its name starts, and what to do instead."""
IMAGE_SCALE = 255
DIGITS_TEST_SHARE = 0.2
DIGITS_TEST_SEED = 0


Source = str | Callable[[], Any]


def load(spec: Source) -> Dataset:
    """The dataset that `spec` names; see the module. Raises DatasetError, always in one line."""
    if callable(spec):
        return _load_function(spec)
    check_source(spec)
    if spec in _NAMED:
        return _NAMED[spec](spec)
    if spec.endswith(".npz") or Path(spec).exists():
        return _load_npz(Path(spec))
    raise DatasetError(
        f"dataset {spec!r} is unknown; take {', '.join(_NAMED)}, or the path of an .npz"
    )


def check_source(spec: Any) -> None:
    """Raises DatasetError for what can name no dataset, arrays themselves among it."""
    if isinstance(spec, str) or callable(spec):
        return
    if isinstance(spec, Dataset | Mapping | list | tuple) or hasattr(spec, "shape"):
        raise DatasetError(
            f"dataset is a {type(spec).__name__} of arrays, which a resumed run could not find "
            "again; give a function that returns it: def data(): return "
            "(x_train, y_train), (x_test, y_test)"
        )
    if hasattr(spec, "as_numpy_iterator"):
        raise DatasetError(
            "dataset is a tf.data.Dataset; give a function that returns arrays, or read it inside "
            "a training function, with dataset=None"
        )
    raise DatasetError(f"dataset {spec!r:.200} is neither a name, a path nor a function")


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
    return from_arrays(name, x_train, y_train, x_test, y_test, scale=IMAGE_SCALE)


_NAMED: dict[str, Callable[[str], Dataset]] = {
    "digits": _load_digits,
    "mnist": _load_keras,
    "fashion_mnist": _load_keras,
}


def _load_npz(path: Path) -> Dataset:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise DatasetError(f"{path}: {what}; give the path of an .npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [key for key in KEYS if key not in archive]
            if missing:
                raise DatasetError(
                    f"{path}: lacks {', '.join(missing)}; Keras' layout has {', '.join(KEYS)}, "
                    f"and it has {', '.join(archive) or 'nothing'}"
                )
            _check_left_out(str(path), archive)
            arrays = {key: _read_member(path, key, archive) for key in KEYS}
            more = {key: _read_one(path, key, archive) for key in SAID if key in archive}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        if path.suffix != ".npz":
            raise DatasetError(
                f"{path}: is not a readable .npz; write one, np.savez('data.npz', x_train=..., "
                "...), or give a function that reads this file"
            ) from error
        raise DatasetError(f"{path}: is not a readable .npz ({_one_line(error)})") from error
    if path.stem.lower().endswith("mnist") and arrays["x_train"].dtype == np.uint8:
        more.setdefault("scale", IMAGE_SCALE)
    return from_arrays(str(path), *(arrays[key] for key in KEYS), **more)


def _read_one(path: Path, key: str, archive: Mapping[str, Array]) -> Any:
    """A number or text of an .npz. Raises DatasetError for an array of several."""
    array = _read_member(path, key, archive)
    if array.size != 1:
        raise DatasetError(f"{path}: {key} has shape {array.shape}; it must be a single value")
    return array.item()


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
        # runs code: the user's data
        made = function()
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"dataset function {name} raised {_one_line(error)}") from error
    more: dict[str, Any] = {}
    match made:
        case Dataset(ready=True):
            return _as_it_is(made)
        case Dataset():
            name, parts = made.name, [getattr(made, key) for key in KEYS]
            more = {key: getattr(made, key) for key in MORE}
            if made.fingerprint:  # made by `from_arrays`, which has scaled it
                del more["scale"]
                return replace(made, fingerprint=from_arrays(name, *parts, **more).fingerprint)
        case Mapping() if all(key in made for key in KEYS):
            parts = [made[key] for key in KEYS]
            more = {key: made[key] for key in made if key not in KEYS}
            _check_more(name, more)
        case ((x_train, y_train), (x_test, y_test)):
            parts = [x_train, y_train, x_test, y_test]
        case ((_, _, _), (_, _, _)) | ((_, _), (_, _), (_, _)):
            raise DatasetError(
                f"dataset function {name} returned three parts where two are taken; weights belong "
                f"in x as a column, a validation part into folds={FOLDS_FORM}"
            )
        case (_, _, _, _):
            parts = list(made)
        case _:
            raise DatasetError(
                f"dataset function {name} returned {type(made).__name__}; return a Dataset, "
                f"a dict with {', '.join(KEYS)}, or ((x_train, y_train), (x_test, y_test))"
            )
    return from_arrays(name, *parts, **more)


def _as_it_is(made: Dataset) -> Dataset:
    """A dataset whose arrays its maker has checked; labels may be of any kind."""
    folds = None if made.folds is None else own_folds(made.name, made.folds, len(made.x_train))
    arrays = {key: np.asarray(getattr(made, key)) for key in KEYS}
    hashed = {k: a.astype(str) if a.dtype.kind == "O" else a for k, a in arrays.items()}
    print_of = fingerprint_of({**hashed, **numbered(folds or ())})
    return replace(made, folds=folds, fingerprint=print_of)


def _check_more(name: str, more: Mapping[str, Any]) -> None:
    """Raises DatasetError for keys that nothing would heed."""
    for key in more:
        if key not in MORE:
            known = _way_out(key)
            raise DatasetError(
                f"{name}: {key!r} is not taken beside {', '.join((*KEYS, *MORE))}; "
                + (known or "leave it out")
            )


def _check_left_out(name: str, archive: Mapping[str, Array]) -> None:
    """Raises DatasetError for arrays of a file that would change the training, and are not read."""
    for key in archive:
        if way := _way_out(key):
            raise DatasetError(
                f"{name}: {key!r} is not read beside {', '.join((*KEYS, *SAID))}; give a function "
                f"that loads the file, without it or as this takes it: {way}"
            )


def _way_out(key: Any) -> str | None:
    return next((way for start, way in WAYS_OUT.items() if str(key).startswith(start)), None)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

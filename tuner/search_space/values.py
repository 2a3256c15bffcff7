"""Values of a parameter: when two are the same, how each is named, and how JSON keeps them.

None, booleans, finite numbers and strings are *plain*: Optuna, JSON and Parquet keep them as they
are. Any other choice (a list, a function, an initializer) has a label, a short text that stands for
it there; the axis that declares it knows what the label means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

Value = None | bool | int | float | str
"""What is plain, but for floats that are not finite."""

EXACT_WHOLE = 2**53
"""Up to here whole numbers survive as floats, which is what Optuna's storages keep."""
LABEL_LENGTH = 100


When = Mapping[str, Any]
"""For an axis that exists only where others have these values: by name, one value or several."""


class NotOnAxis(LookupError):
    """A value that an axis does not hold."""


class Unset(Enum):
    """The default of an axis that declares none; None may be a value."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET


@dataclass(frozen=True)
class Named:
    """A choice known by its label only: read from study.json without the experiment's file."""

    name: str

    def __repr__(self) -> str:
        return self.name


def python_value(value: Any) -> Any:
    """NumPy's scalars, and arrays without dimensions, as Python's; all else as it is."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value.item()
    return value


def listed(values: Any) -> list[Any] | None:
    """The values of a list, range, array, series, set or the like; None for anything else.

    Sets have no order that two processes share, so theirs is that of their texts.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        return None
    found = [python_value(value) for value in values]
    return sorted(found, key=text_of) if isinstance(values, Set) else found


def is_plain(value: Any) -> bool:
    """Whether Optuna, JSON and Parquet keep a value as it is."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, Value) and not isinstance(value, Enum)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that a float can hold, and no boolean."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def same(a: Any, b: Any) -> bool:
    """Whether two values are one choice: 1, True and 1.0 are three."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if callable(a) and "<" not in getattr(a, "__qualname__", "<"):
        # A worker may hold a copy of a function that another process pickled.
        return (a.__module__, a.__qualname__) == (b.__module__, b.__qualname__)
    return bool(a == b)


def alike(a: Any, b: Any) -> bool:
    """Whether a file may mean `a` by `b`: 2 and 2.0, a tuple and a list; never 1 and True."""
    if isinstance(a, list | tuple | np.ndarray) and isinstance(b, list | tuple | np.ndarray):
        return len(a) == len(b) and all(map(alike, map(python_value, a), map(python_value, b)))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if is_number(a) and is_number(b):
        return bool(a == b)
    return same(a, b)


def text_of(value: Any) -> str:
    """A text for a value, the same in every process."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, Value):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_inner, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_inner, value))})"
    if isinstance(value, Mapping):
        pairs = (f"{_inner(key)}: {_inner(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(map(_inner, value)))}}}"
    if isinstance(value, np.ndarray):
        return f"array({value.tolist()})"
    if isinstance(value, Named):
        return value.name
    return str(getattr(value, "__name__", None) or type(value).__name__)


def _inner(value: Any) -> str:
    return repr(value) if isinstance(value, str) else text_of(python_value(value))


def labels_of(choices: Sequence[Any]) -> tuple[Value, ...]:
    """A plain value for each choice, no two equal: the choices themselves where they allow it."""
    if all(map(is_plain, choices)):
        kinds = {type(choice) for choice in choices if choice is not None}
        texts = {None if choice is None else str(choice) for choice in choices}
        told_apart = len(set(choices)) == len(choices)  # 1 == True, and so for Optuna
        if told_apart and (len(kinds) <= 1 or len(texts) == len(choices)):
            return tuple(choices)
    for name in (text_of, _inner):
        labels = [name(choice)[:LABEL_LENGTH] for choice in choices]
        if len(set(labels)) == len(labels):
            return tuple(labels)
    return tuple(f"{label} #{i}" for i, label in enumerate(labels))


def index_of_text(text: Any, choices: Sequence[Any], labels: Sequence[Value]) -> int | None:
    """Which of the choices a text names, in a CSV or on the command line; None if none or two."""
    if not isinstance(text, str):
        return None
    spellings: tuple[Sequence[Any], ...] = (
        labels,
        [text_of(choice) for choice in choices],
        [text_of(choice).lower() for choice in choices if is_plain(choice)],
    )
    for texts in spellings:
        found = [i for i, spelling in enumerate(texts) if spelling == text]
        if len(found) == 1 and len(texts) == len(choices):
            return found[0]
    numbers = [i for i, choice in enumerate(choices) if _means(choice, text)]
    return numbers[0] if len(numbers) == 1 else None


def _means(choice: Any, text: str) -> bool:
    try:
        return is_number(choice) and float(text) == choice
    except ValueError:
        return False


def point_text(params: Mapping[str, Any]) -> str:
    """A point as one text, the same in every process and any order of its parameters."""
    named = {name: v if isinstance(v, Value) else text_of(v) for name, v in params.items()}
    return json.dumps(named, sort_keys=True)


def json_form(value: Any, label: Value = None) -> Any:
    """A choice as JSON keeps it: tuples told from lists, and what is not data by its label."""
    if is_plain(value):
        return value
    if isinstance(value, float):
        return {"float": str(value)}
    if type(value) is list:
        return [json_form(item) for item in value]
    if type(value) is tuple:
        return {"tuple": [json_form(item) for item in value]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {key: json_form(item) for key, item in value.items()}}
    return {"named": text_of(value) if label is None else label}


def from_json_form(form: Any) -> Any:
    """The choice that `json_form` wrote; `Named` for what is not data."""
    match form:
        case list():
            return [from_json_form(item) for item in form]
        case {"float": str(text)}:
            return float(text)
        case {"tuple": list(items)}:
            return tuple(from_json_form(item) for item in items)
        case {"dict": dict(items)}:
            return {key: from_json_form(item) for key, item in items.items()}
        case {"named": str(name)}:
            return Named(name)
    return form

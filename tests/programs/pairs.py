"""Trainings in pairs, that differ in one place or in none, and what makes them equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tests.cells import digits
from tuner.programs.cache import Programs
from tuner.programs.fit import warm
from tuner.programs.step_function import StepFunction

Point = dict[str, Any]
BATCH, EPOCHS = 50, 2
ROWS = 230
"""Not a number of whole batches: the last one of an epoch is smaller."""


@cache
def samples() -> tuple[Any, Any, Any, Any]:
    """Digits in float64: 230 samples to train on, 60 to judge."""
    data = digits()
    x, y = data.x_train.reshape(len(data.x_train), -1).astype("float64"), data.y_train
    return x[:ROWS], y[:ROWS], x[ROWS : ROWS + 60], y[ROWS : ROWS + 60]


@contextmanager
def float64() -> Iterator[None]:
    """While it holds, Keras computes in float64: equal is equal but for the last digits."""
    import keras

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


@dataclass(frozen=True)
class Ran:
    """What a training left: its model's and optimizer's variables, its history, and how it went.

    `how` says of the train function "new", "traced", "recalled", or why Keras trained.
    """

    values: list[Any]
    history: dict[str, list[Any]]
    how: str
    lifted: bool = False


def train(
    make: Callable[[Point], Any],
    point: Point,
    programs: Programs | None,
    *,
    seed: int = 7,
    exact: bool = False,
    **options: Any,
) -> Ran:
    """Fit what `make(point)` builds, by `programs` or by plain fit where there are none.

    `options` are fit's; those that are functions of the point are called first.
    """
    import keras

    x, y, x_val, y_val = samples()
    keras.utils.set_random_seed(seed)
    model = make(point)
    given = {"x": x, "y": y, "validation_data": (x_val, y_val), "batch_size": BATCH, **options}
    given = {k: v(point) if callable(v) else v for k, v in given.items()}
    holds = nullcontext() if programs is None else warm(programs=programs, exact=exact)
    with holds as trained:
        history = model.fit(**{"epochs": EPOCHS, "verbose": 0, **given}).history
    values = [np.asarray(v, "float64") for v in [*model.variables, *model.optimizer.variables]]
    if trained is None:
        return Ran(values, history, "plain")
    function = model.train_function
    if trained.why or not isinstance(function, StepFunction):
        return Ran(values, history, trained.why)
    (ready,) = function.prepared.values()
    return Ran(values, history, ready.how, bool(ready.program.lifted))


def distance(one: Ran, other: Ran) -> float:
    """The largest difference between what two trainings left; infinite where it has no number."""
    mine = [*one.values, *(np.asarray(v, "float64") for v in one.history.values())]
    others = [*other.values, *(np.asarray(v, "float64") for v in other.history.values())]
    if list(one.history) != list(other.history) or len(mine) != len(others):
        return np.inf
    far = 0.0
    for a, b in zip(mine, others, strict=True):
        if a.shape != b.shape:
            return np.inf
        if not np.array_equal(a, b, equal_nan=True):
            far = max(far, float(np.nan_to_num(np.abs(a - b).max(initial=0.0), nan=np.inf)))
    return far

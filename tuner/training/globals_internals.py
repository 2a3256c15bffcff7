"""What a process' trainings share, Keras' and TensorFlow's private parts of it among them.

Trainings that take turns in one process, each on a thread of its own, would draw from each other's
generators: of Python, NumPy and TensorFlow there is one each. And Keras keeps what belongs to a
training (its own generator, names, the type policy) in two objects that `clear_session` replaces
for all threads. `check` says what a version of them lacks.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tuner.errors import EngineError

TRACKERS = ("GLOBAL_STATE_TRACKER", "GLOBAL_SETTINGS_TRACKER")
SEEDS = ("_seed", "_rng")

CLEARING = threading.RLock()
"""Held while a process is cleared of its last training: no other begins or goes on meanwhile, as
TensorFlow's registry of gradients has no lock of its own."""


def check() -> None:
    """Raise EngineError if Keras or TensorFlow lack a private name that is used here."""
    keras_state, context = _keras_state(), _tensorflow_context()
    missing = [f"keras: {name}" for name in TRACKERS if not hasattr(keras_state, name)]
    seeds = {*vars(context), *context._set_global_seed.__code__.co_names}
    missing += [f"tensorflow: {name}" for name in SEEDS if name not in seeds]
    if not hasattr(_gradient_registry(), "_registry"):
        missing.append("tensorflow: ops.gradient_registry._registry")
    if missing:
        raise EngineError(
            f"trainings cannot take turns, since these are missing: {', '.join(missing)}; "
            "install the versions that requirements.lock names"
        )


@contextmanager
def set_aside() -> Iterator[None]:
    """Let other trainings run inside; afterwards all is as this one left it."""
    python, numpy = random.getstate(), np.random.get_state()
    kept: list[tuple[Any, str, Any]] = []
    if "keras" in sys.modules:
        check()
        keras_state, context = _keras_state(), _tensorflow_context()
        kept += [(keras_state, name, getattr(keras_state, name)) for name in TRACKERS]
        # A seed given anew replaces both; no other training draws from this one's generator.
        # Before the first seed there are neither.
        kept += [(context, name, vars(context)[name]) for name in SEEDS if name in vars(context)]
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        for owner, name, value in kept:
            setattr(owner, name, value)


def forget_custom_gradients() -> None:
    """Drop the gradients that traced graphs left in TensorFlow's registry.

    Each holds its graph, which is never freed otherwise: 3.4 MB and 5,500 objects a trial of a
    small MLP (tensorflow issue 97697). The registry has no public way to remove an entry.
    """
    registry = _gradient_registry()._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]


def _keras_state() -> Any:
    from keras.src.backend.common import global_state

    return global_state


def _tensorflow_context() -> Any:
    from tensorflow.python.eager import context

    return context.context()


def _gradient_registry() -> Any:
    from tensorflow.python.framework import ops

    return ops.gradient_registry

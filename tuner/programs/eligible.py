"""Why a fit is left to Keras, as far as can be told before it is traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.programs import keras_internals

BATCH_HOOKS = tuple(
    f"on_{phase}batch_{end}" for phase in ("", "train_", "test_") for end in ("begin", "end")
)
STEPS = ("train_step", "test_step", "make_train_function", "make_test_function")
REPLACED = ("make_train_function", "make_test_function", "evaluate", "reset_metrics")
"""Methods of a model that Keras' loop calls between its steps, and that programs stand beside."""


def why_not(model: Any, arguments: Mapping[str, Any]) -> str | None:
    """Why a fit with these arguments must be Keras' own, None where a program may run it."""
    import keras
    import tensorflow as tf

    if not model.compiled:
        return "its model is not compiled"
    if model.optimizer is None or not isinstance(model.optimizer, keras.optimizers.Optimizer):
        return "its optimizer is not one of Keras'"
    if builds_in_step(model.optimizer):
        return f"{type(model.optimizer).__name__} may set variables when it is built"
    for name in REPLACED:
        if overrides(model, [name]) or name in vars(model):
            return f"{type(model).__name__} has a method {name} of its own"
    if model.run_eagerly or tf.config.functions_run_eagerly():
        return "it runs eagerly"
    if model.jit_compile:
        return "it is compiled by XLA"
    if tf.distribute.has_strategy() or keras_internals.is_distributed(model):
        return "it is distributed"
    if model.steps_per_execution != 1:
        return "it runs several steps an execution"
    if arguments.get("x") is None:
        return "it has no arrays to train on"
    return _watched(arguments.get("callbacks"))


def builds_in_step(optimizer: Any) -> bool:
    """Whether an optimizer waits to be built, and by more than making its variables.

    Keras' fit may build it inside its step: what it assigns there is then part of every step (of
    ScheduleFreeAdamW, whose momentum begins as the weights). A program's is built before.
    """
    import keras

    inner = getattr(optimizer, "inner_optimizer", None)
    several = getattr(keras.optimizers, "MultiOptimizer", ())  # whatever they are
    if isinstance(optimizer, several) or (inner is not None and builds_in_step(inner)):
        return True
    if optimizer.built:
        return False
    return any(
        keras_internals.may_assign(vars(kind)["build"])
        for kind in type(optimizer).__mro__
        if "build" in vars(kind) and issubclass(kind, keras.optimizers.Optimizer)
    )


def _watched(callbacks: Any) -> str | None:
    import keras

    if isinstance(callbacks, keras.callbacks.CallbackList):
        return "its callbacks come as a CallbackList"
    if callbacks is None:
        return None
    listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in listed:
        if hooks_batches(callback):
            return f"the callback {type(callback).__name__} sees every batch"
    return None


def overrides(model: Any, names: Sequence[str]) -> bool:
    """Whether a model's class has one of these methods of its own, in place of Keras'."""
    import keras

    return any(getattr(type(model), name) is not getattr(keras.Model, name) for name in names)


def has_own_step(model: Any) -> bool:
    """Whether a model's class defines steps of its own, with whatever they remember."""
    return overrides(model, STEPS)


def hooks_batches(callback: Any) -> bool:
    """Whether a callback wants to see every batch, so that an epoch must not be one execution.

    Keras' ModelCheckpoint and BackupAndRestore do so only with a `save_freq` other than "epoch",
    TensorBoard only with an `update_freq` other than "epoch" or a profile.
    """
    import keras

    known = keras.callbacks
    if type(callback) in (known.ModelCheckpoint, known.BackupAndRestore):
        return bool(callback.save_freq != "epoch")
    if type(callback) is known.TensorBoard:
        return bool(callback.update_freq != "epoch" or keras_internals.profiles(callback))
    if type(callback) in (known.ProgbarLogger, known.History):
        return False
    return any(
        getattr(getattr(callback, hook, None), "__func__", None)
        is not getattr(known.Callback, hook)
        for hook in BATCH_HOOKS
    )

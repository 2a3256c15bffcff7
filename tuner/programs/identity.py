"""A cheaper identity of Keras' own step: its forward pass traced, its optimizer read.

A full trace, gradient and update included, takes a third of a warm short trial. Where the step and
the optimizer are Keras' own, all of it follows from the forward pass and loss (traced), which
variables are trained, and the plain values that the optimizer holds. Whatever is not so plain has
no such identity and is traced in full.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.programs import keras_internals
from tuner.programs.graph_hash import NotShareable
from tuner.programs.program import Numbers, bits, numbers_of
from tuner.programs.rows import Rows
from tuner.programs.trace import Name, Trace, trace

OPTIMIZERS = frozenset(
    {
        "SGD", "Adam", "AdamW", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Ftrl", "Lion",
        "Lamb", "Adafactor",
    }
)  # fmt: skip
"""Those that are what they hold. Muon chooses by variables' names, LossScaleOptimizer has another
optimizer within."""

NUMBERS = (
    "momentum", "rho", "beta_1", "beta_2", "epsilon", "weight_decay", "clipnorm", "clipvalue",
    "global_clipnorm",
)  # fmt: skip
"""What of an optimizer may be a number of its step: Keras asks no more of them than the sign."""

CALLS = ("PartitionedCall-", "StatefulPartitionedCall-")
"""Rules of gradients that follow from the called function's body, which is in the graph."""


LISTS = ("builtins", "keras.", "tensorflow.")


@dataclass(frozen=True)
class Identity:
    """`family` is equal for steps that differ in `numbers` alone: the forward pass's constants, and
    the optimizer's. `state` has the optimizer's as they are, where `numbers` have them rounded as
    a step does. `tensors` are those from outside that a step may read, in an order that a family
    shares; `names` are those of its logs."""

    family: Hashable
    numbers: Numbers
    state: Hashable
    tensors: tuple[Any, ...]
    names: tuple[Name, ...]

    @property
    def key(self) -> Hashable:
        """What is equal for steps that compute the same."""
        return self.family, bits(self.numbers), self.state


def identity_of(model: Any, rows: Rows, *, training: bool) -> Identity | None:
    """The identity of a model's step over these rows, None where it has none of this kind.

    All of the model's variables must exist. Raises NotShareable and whatever its Python raises.
    """
    import keras

    step = getattr(model, "train_step" if training else "test_step")
    if not keras_internals.is_kerass_own(step) or not keras_internals.is_kerass_own(
        type(model).__call__
    ):
        return None
    optimizer = model.optimizer
    if training and (
        type(optimizer).__name__ not in OPTIMIZERS
        or not type(optimizer).__module__.startswith("keras.src.optimizers.")
        or not keras_internals.class_is_kerass_own(type(optimizer))
    ):
        return None

    traced = forward_trace(model, rows.pack, [batch for _, batch in rows.specs], training=training)
    if hides_gradients(traced):
        return None
    trained = list(model.trainable_variables) if training else []
    if any(
        v.constraint is not None or getattr(v, "overwrite_with_gradient", False) for v in trained
    ):
        return None
    held = list(optimizer.variables) if training else []
    places = {id(v): f"variable {i}" for i, v in enumerate([*trained, *held])}
    try:
        state = _optimizer_state(optimizer, trained, places) if training else _State()
    except NotShareable:
        return None
    handles = [v.value.handle for v in [*trained, *held, *keras_internals.loss_variables(model)]]
    tensors = [*traced.outside, *handles]
    first = {id(tensor): index for index, tensor in reversed(list(enumerate(tensors)))}
    family = (
        traced.structure,
        tuple(first[id(tensor)] for tensor in tensors),  # which of them are the same
        tuple((v.shape, v.dtype, bool(v.value.trainable)) for v in [*trained, *held]),
        state.form,
        training,
        traced.names,
        rows.specs,
        keras.config.floatx(),
    )
    numbers = (*numbers_of(traced), *state.numbers)
    return Identity(family, numbers, state.values, tuple(tensors), traced.names)


def forward_trace(
    model: Any, pack: Callable[[Any], Any], specs: Sequence[Any], *, training: bool
) -> Trace:
    """A step's forward pass, loss and metrics; `pack` gives a batch's tensors their structure.

    Raises NotShareable and whatever the model's Python raises.
    """
    import keras

    def forward(*flat: Any) -> dict[str, Any]:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(pack(flat))
        told = {"training": training} if keras_internals.call_takes_training(model) else {}
        y_pred = model(x, **told)
        loss = keras_internals.loss_of(model, x, y, y_pred, weights, training=training)
        return {"loss": loss, **model.compute_metrics(x, y, y_pred, sample_weight=weights)}

    return trace(forward, specs)


def hides_gradients(traced: Trace) -> bool:
    """Whether a forward pass has a gradient of the user's own, which it does not show."""
    return any(not rule.startswith(CALLS) for rule in traced.gradients)


@dataclass(frozen=True)
class _State:
    """All of an optimizer that decides its updates: its `form`, and the `numbers` beside it, as
    they are (`values`) and as a step has them."""

    form: Hashable = None
    values: tuple[tuple[str, float], ...] = ()
    numbers: Numbers = ()


def _optimizer_state(optimizer: Any, trained: list[Any], places: dict[int, str]) -> _State:
    """What an optimizer holds. Raises NotShareable for what is not plain."""
    import tensorflow as tf

    held = keras_internals.optimizer_state(optimizer)
    values = tuple(
        (name, held[name])
        for name in NUMBERS
        if isinstance(held.get(name), float) and held[name] > 0
    )
    named = {name for name, _ in values}
    form = (
        type(optimizer),
        tuple(
            (name, "a number" if name in named else _plain(held[name], places))
            for name in sorted(held)
        ),
        tuple(
            (keras_internals.trained_index(optimizer, v), keras_internals.decays(optimizer, v))
            for v in trained
        ),
    )
    # A Python number becomes float32, or what it is computed with: whichever a step has.
    kinds = ("float32", *({v.dtype for v in trained} - {"float32"}))
    types = [tf.dtypes.as_dtype(kind).as_numpy_dtype for kind in sorted(kinds)]
    numbers = tuple(np.asarray(value, kind) for _, value in values for kind in types)
    return _State(form, values, numbers)


def _plain(value: Any, places: dict[int, str]) -> Hashable:
    if id(value) in places:
        return places[id(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return type(value).__name__, repr(value)
    if isinstance(value, (list, tuple)) and type(value).__module__.startswith(LISTS):
        return tuple(_plain(part, places) for part in value)
    if type(value).__module__.startswith("keras.src.optimizers.schedules"):
        if not keras_internals.class_is_kerass_own(type(value)):
            raise NotShareable("a schedule that is not Keras' own")
        held = keras_internals.optimizer_state(value)
        return type(value), tuple((name, _plain(held[name], places)) for name in sorted(held))
    raise NotShareable(f"its optimizer holds a {type(value).__name__}")

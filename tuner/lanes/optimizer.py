"""Keras' optimizers for lanes: their own update rules, with numbers that differ by lane.

An optimizer's numbers, which are Python's, give way to tensors that pass the branches on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuner.lanes.keras_internals import rate_of, stateless

if TYPE_CHECKING:
    import keras

NUMBERS = ("momentum", "rho", "beta_1", "beta_2", "weight_decay")
"""What may differ by lane, the learning rate and a schedule's numbers aside."""
RATE = "learning_rate"
SCHEDULE = "schedule."
NONZERO = 0.5
"""Stands for a lane's number while the graph is made: a slot for momentum exists only if it has
some, and a lane whose momentum is zero then takes the same update by it."""


class LaneNumber(float):
    """A number of this lane as a tensor, where Keras has a Python number and compares it.

    To Keras it is a float, which it converts by the same rules: exactly, if beside a tensor.
    """

    __hash__ = None  # type: ignore[assignment]
    dtype = float
    tensor: Any

    def __new__(cls, tensor: Any) -> LaneNumber:
        made = super().__new__(cls, NONZERO)
        made.tensor = tensor
        return made

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        import tensorflow as tf

        # TensorFlow makes float32 of a Python number, whatever Keras casts it to thereafter.
        return tf.cast(self.tensor, dtype or tf.float32)

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    def __gt__(self, other: object) -> bool:
        return True

    def __rsub__(self, other: Any) -> Any:
        return LaneNumber(other - self.tensor)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, int | float):
            return LaneNumber(self.tensor * other)
        return self.tensor * other

    __rmul__ = __mul__


def numbers_of(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """The numbers that may differ by lane: by name, a schedule's with a prefix."""
    config = optimizer.get_config()
    numbers = {
        name: float(config[name])
        for name in NUMBERS
        if isinstance(config.get(name), int | float) and not _is_off(optimizer, name)
    }
    rate = config[RATE]
    if isinstance(rate, dict):
        inner = rate["config"]
        for name, value in inner.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                numbers[SCHEDULE + name] = float(value)
    else:
        numbers[RATE] = float(rate)
    return numbers


def _is_off(optimizer: keras.optimizers.Optimizer, name: str) -> bool:
    """RMSprop mostly has no momentum, and a slot for it costs one more pass over the weights.

    Searches of SGD's momentum have zeros among others, which share lanes.
    """
    return type(optimizer).__name__ == "RMSprop" and name == "momentum" and not optimizer.momentum


def form_of(optimizer: keras.optimizers.Optimizer) -> str:
    """All of an optimizer that its lanes must share, as text."""
    config = dict(optimizer.get_config())
    for name in (*numbers_of(optimizer), "name"):
        if name in config:
            config[name] = "a number"
    if isinstance(config[RATE], dict):
        rate = config[RATE]
        inner = {
            name: "a number" if isinstance(v, int | float) and not isinstance(v, bool) else v
            for name, v in rate["config"].items()
        }
        config[RATE] = {"class_name": rate["class_name"], "config": inner}
    return f"{type(optimizer).__module__}.{type(optimizer).__name__} {sorted(config.items())!r}"


def lane_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A copy of the optimizer whose `stateless_apply` works, with all slots that lanes may need."""
    kind: Any = stateless(type(optimizer))
    # runs code: the user's optimizer
    made = kind.from_config(optimizer.get_config())
    for name in numbers_of(optimizer):
        if name in NUMBERS:
            setattr(made, name, NONZERO)
    return made


def set_numbers(optimizer: keras.optimizers.Optimizer, numbers: dict[str, Any]) -> None:
    """Let an optimizer take these tensors for its numbers, while a graph is made."""
    for name, tensor in numbers.items():
        if name.startswith(SCHEDULE):
            setattr(rate_of(optimizer), name.removeprefix(SCHEDULE), LaneNumber(tensor))
        elif name != RATE:  # the rate is a variable of the optimizer's, one a lane as it is
            setattr(optimizer, name, LaneNumber(tensor))

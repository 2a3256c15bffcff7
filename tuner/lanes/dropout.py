"""Dropout's masks in lanes, each from its lane's own seed, drawn with no more bits than they need.

Keras draws a float a unit and compares it with the rate: a quarter of a small network's step. Here
a byte a unit decides where the rate is a number of 256ths, as 0.5 is, and else two, which are right
within 2**-17. Masks are thus those of `fit` in distribution only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WORD = 64
"""Bits of the numbers that are drawn; TensorFlow has none cheaper a bit."""


@contextmanager
def frugal_dropout() -> Iterator[None]:
    """Let Keras' dropout draw its masks by `dropout`, in the graphs that are made meanwhile."""
    import tensorflow as tf

    place: Any = tf.nn.experimental
    usual = place.stateless_dropout

    def drawn(
        x: Any, rate: Any, seed: Any, *rest: Any, noise_shape: Any = None, **named: Any
    ) -> Any:
        if rest or named or noise_shape is None or not isinstance(rate, float):
            return usual(x, rate, seed, *rest, noise_shape=noise_shape, **named)
        return dropout(x, rate, seed, noise_shape)

    place.stateless_dropout = drawn
    try:
        yield
    finally:
        place.stateless_dropout = usual


def dropout(x: Any, rate: float, seed: Any, noise_shape: Any) -> Any:
    """`x` with zeros at `rate`, the rest divided by `1 - rate`; `noise_shape` is the mask's.

    As TensorFlow's, the `seed` (2,) decides alone. Products take half the time of its selections;
    they differ from them for infinite `x` only.
    """
    import tensorflow as tf

    bits = 8 if (rate * 2**8).is_integer() else 16
    kind = tf.dtypes.as_dtype(f"uint{bits}")
    count = tf.reduce_prod(noise_shape)
    words = -(-count // (WORD // bits))
    drawn = tf.random.stateless_uniform([words], seed, None, None, tf.uint64)
    numbers = tf.reshape(tf.reshape(tf.bitcast(drawn, kind), [-1])[:count], noise_shape)
    keep = numbers >= tf.constant(min(round(rate * 2**bits), 2**bits - 1), kind)
    return x * (tf.cast(keep, x.dtype) * tf.cast(1 / (1 - rate), x.dtype))


def teach_random_numbers() -> None:
    """Teach TensorFlow's vectorised map the ops behind a random number, once a process.

    It has no rule for them and falls back to a loop with stacks, which takes as long as the rest
    of a step. Here each lane's numbers are drawn by a call of its own, from its own seed: they are
    those that the lane alone would draw.
    """
    import tensorflow as tf
    from tensorflow.python.ops.parallel_for import pfor

    known = pfor._pfor_converter_registry
    if "StatelessRandomUniformV2" in known:
        return

    def draw(inputs: Any) -> Any:
        kind = getattr(tf.raw_ops, inputs.op_type)
        shape, alg = inputs.unstacked_input(0), inputs.unstacked_input(3)
        keys, counters = inputs.stacked_input(1), inputs.stacked_input(2)
        dtype = inputs.get_attr("dtype")
        drawn = [
            kind(shape=shape, key=key, counter=counter, alg=alg, dtype=dtype)
            for key, counter in zip(tf.unstack(keys), tf.unstack(counters), strict=True)
        ]
        return pfor.wrap(tf.stack(drawn), True)

    def key_and_counter(inputs: Any) -> Any:
        pairs = [
            tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
            for seed in tf.unstack(inputs.stacked_input(0))
        ]
        keys, counters = zip(*pairs, strict=True)
        return [pfor.wrap(tf.stack(keys), True), pfor.wrap(tf.stack(counters), True)]

    def bitcast(inputs: Any) -> Any:
        same = tf.raw_ops.Bitcast(input=inputs.stacked_input(0), type=inputs.get_attr("type"))
        return pfor.wrap(same, True)

    for op in ("StatelessRandomUniformV2", "StatelessRandomUniformFullIntV2"):
        pfor.RegisterPFor(op)(draw)
    pfor.RegisterPFor("StatelessRandomGetKeyCounter")(key_and_counter)
    pfor.RegisterPFor("Bitcast")(bitcast)

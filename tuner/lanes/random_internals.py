"""TensorFlow's private names by which lanes draw random numbers: dropout's masks, noise.

Each lane's are those that the trial alone would draw, to the bit.
"""

from __future__ import annotations

from typing import Any

DRAWS = tuple(
    f"StatelessRandom{kind}V2"
    for kind in ("Uniform", "UniformFullInt", "Normal", "TruncatedNormal")
)


def check() -> str | None:
    """What of TensorFlow's internals is not as lanes need it, None where all is well."""
    try:
        from tensorflow.python.ops.parallel_for import pfor
    except ImportError as error:
        return f"TensorFlow has changed: {error}"
    for name in ("_pfor_converter_registry", "RegisterPFor", "wrap"):
        if not hasattr(pfor, name):
            return f"TensorFlow has changed: {pfor.__name__} has no {name}"
    return None


def teach_random_numbers() -> None:
    """Teach TensorFlow's vectorised map the ops behind a random number, once a process.

    It has no rule for them and falls back to a loop with stacks, which takes as long as the rest
    of a step. Here each lane's numbers are drawn by a call of its own, from its own seed: they are
    those that the lane alone would draw.
    """
    import tensorflow as tf
    from tensorflow.python.ops.parallel_for import pfor

    if DRAWS[0] in pfor._pfor_converter_registry:
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

    for op in DRAWS:
        pfor.RegisterPFor(op)(draw)
    pfor.RegisterPFor("StatelessRandomGetKeyCounter")(key_and_counter)

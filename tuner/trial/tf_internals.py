"""The seed that TensorFlow was given, which it tells to nobody in public."""

from __future__ import annotations


def check() -> str | None:
    """What of TensorFlow's internals is not as we need it, None where all is well."""
    try:
        from tensorflow.python.eager import context
    except ImportError as error:
        return f"TensorFlow has changed: {error}"
    if not hasattr(context, "global_seed"):
        return "TensorFlow has changed: its context has no global_seed"
    return None


def global_seed() -> int | None:
    """The seed of `tf.random.set_seed` and `keras.utils.set_random_seed`, None before any."""
    from tensorflow.python.eager import context

    seed: int | None = context.global_seed()
    return seed

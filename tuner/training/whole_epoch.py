"""An epoch of `fit`, and a validation, as one graph each.

Keras has `steps_per_execution` for this. Its graph carries an optional value and a branch through
every step, so that tracing it costs a short trial more than the calls it saves; these graphs are a
plain loop. The steps are Keras' own, and so are the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuner.training.declared import has_one_output, overrides

if TYPE_CHECKING:
    import keras


@contextmanager
def whole_epochs(model: keras.Model, steps: int) -> Iterator[None]:
    """While it holds, `fit` runs an epoch of `steps` in one call; the model is left as it was.

    All variables of the compiled model must exist. What is not plain runs Keras' own graph.
    """
    model.steps_per_execution = steps
    if is_plain(model):
        set_epoch_functions(model)
    try:
        yield
    finally:
        model.steps_per_execution = 1
        model.train_function = model.test_function = None


def is_plain(model: keras.Model) -> bool:
    """Whether a compiled model's steps are Keras' own, run as a graph and not through XLA.

    And whether `create_variables` can do its work.
    """
    plainly = not (has_own_step(model) or model.run_eagerly or model.jit_compile)
    return has_one_output(model) and plainly


def has_own_step(model: keras.Model) -> bool:
    """Whether a model's class defines steps of its own, with whatever they remember."""
    steps = ("train_step", "test_step", "make_train_function", "make_test_function")
    return overrides(model, steps)


def set_epoch_functions(model: keras.Model) -> None:
    """Give a compiled model the functions that `fit` calls, once an epoch and once a validation.

    `steps_per_execution` must be the epoch's steps, and all variables must exist. `fit` makes its
    own functions only where a model has none.
    """
    import tensorflow as tf

    steps = tf.constant(model.steps_per_execution)
    # A step's logs go through the loop, though the last ones alone are read: without them, its
    # graph has fewer outputs and is optimised into other roundings than Keras' own.
    logs = {name: tf.zeros_like(value) for name, value in model.get_metrics_result().items()}

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def train(iterator: Any) -> Any:
        def step(done: Any, logs: Any) -> Any:
            return done + 1, model.train_step(next(iterator))

        def more(done: Any, logs: Any) -> Any:
            return done < steps

        return tf.while_loop(more, step, (tf.constant(0), logs), parallel_iterations=1)[1]

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def test(iterator: Any) -> Any:
        def step(batch: Any, logs: Any) -> Any:
            logs = model.test_step(batch.get_value())
            return iterator.get_next_as_optional(), logs

        def more(batch: Any, logs: Any) -> Any:
            return batch.has_value()

        first = iterator.get_next_as_optional()
        return tf.while_loop(more, step, (first, logs), parallel_iterations=1)[1]

    model.train_function = tf.function(train, reduce_retracing=True)
    model.test_function = tf.function(test, reduce_retracing=True)

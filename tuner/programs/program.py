"""A program: an epoch of a traced step, which runs on the variables of any trial of equal graph."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.programs import tf_internals
from tuner.programs.trace import Trace

Numbers = tuple[Any, ...]
"""A step's scalar float constants, in its graph's order; each a NumPy array of no dimension."""


class Program:
    """A loop over batches of a step, compiled.

    The handles of the variables are inputs, so that nothing is copied in or out of a trial. So are
    the `lifted` numbers: indices of the step's constants that differ between trials.
    """

    def __init__(self, step: Trace, specs: Sequence[Any], lifted: frozenset[int]) -> None:
        """Compile an epoch of `step` over data of these `specs`: whole arrays' and, beside each,
        the batches'."""
        import tensorflow as tf

        self.lifted, self.numbers = lifted, numbers_of(step)
        self.nodes = step.nodes
        self._graph = step.graph  # owns the functions that the step calls
        named = [name for index, name in enumerate(step.numbers) if index in lifted]
        wholes, batches = zip(*specs, strict=True)
        count = len(wholes)

        def epoch(*arguments: Any) -> Any:
            data, (rows, size), numbers = (
                arguments[:count],
                arguments[count : count + 2],
                arguments[count + 2 :],
            )
            end = tf.shape(rows)[0]

            def more(start: Any, *_: Any) -> Any:
                return start < end

            def batch(start: Any, *_: Any) -> Any:
                here = rows[start : start + size]
                taken = [tf.gather(whole, here) for whole in data]
                for tensor, spec in zip(taken, batches, strict=True):
                    tensor.set_shape(spec.shape)
                inside = [tf_internals.capture(tensor) for tensor in step.outside]
                feed = {
                    placeholder.name: tensor
                    for placeholder, tensor in zip(
                        step.graph.inputs, [*taken, *inside], strict=True
                    )
                }
                for name, number in zip(named, numbers, strict=True):
                    feed[f"{name}:0"] = tf_internals.capture(number)
                logs = tf.graph_util.import_graph_def(
                    step.proto,
                    input_map=feed,
                    return_elements=[tensor.name for tensor in step.graph.outputs],
                    name="step",
                )
                return start + size, *logs

            # The logs go through the loop, though the last ones alone are read: without them the
            # graph has fewer outputs and is optimised into other roundings than Keras' own.
            empty = [tf.zeros(log.shape, log.dtype) for log in step.graph.outputs]
            return tf.while_loop(more, batch, (tf.constant(0), *empty), parallel_iterations=1)[1:]

        signature = [
            *wholes,
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([], tf.int32),
            *(tf.TensorSpec([], step.numbers[name].dtype) for name in named),
        ]
        self._epoch = tf.function(epoch, autograph=False).get_concrete_function(*signature)
        places = {id(tensor): index for index, tensor in enumerate(step.outside)}
        self._order = [places[id(tensor)] for tensor in tf_internals.captured_by(self._epoch)]

    def takes(self, numbers: Numbers) -> bool:
        """Whether a step with these numbers is this program's, the lifted ones aside."""
        return all(
            index in self.lifted or same(mine, other)
            for index, (mine, other) in enumerate(zip(self.numbers, numbers, strict=True))
        )

    def run(
        self,
        outside: Sequence[Any],
        numbers: Numbers,
        data: Sequence[Any],
        rows: npt.NDArray[np.int64],
        batch_size: int,
    ) -> list[Any]:
        """Train or judge an epoch: these rows of `data`, in their order, in batches; the last
        batch's logs. `outside` and `numbers` are the trial's own."""
        import tensorflow as tf

        given = [tf.constant(numbers[index]) for index in sorted(self.lifted)]
        arguments = [*data, tf.constant(rows, tf.int64), tf.constant(batch_size, tf.int32), *given]
        return tf_internals.call_with(
            self._epoch, arguments, [outside[index] for index in self._order]
        )


def numbers_of(step: Trace) -> Numbers:
    """A step's scalar float constants."""
    return tuple(step.numbers.values())


def bits(numbers: Numbers) -> tuple[Hashable, ...]:
    """Numbers as keys: equal where they are, to the bit."""
    return tuple((number.dtype.str, number.tobytes()) for number in numbers)


def same(one: Any, other: Any) -> bool:
    """Whether two numbers are equal to the bit, a NaN to itself."""
    return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())

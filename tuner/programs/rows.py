"""What stands for Keras' iterator in a warm fit: the arrays in memory, and an order of their rows.

An epoch is one batch to Keras' loop: `Rows` itself, which a program takes whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tuner.programs import keras_internals
from tuner.programs.order import order_of_fit
from tuner.trial.tf_internals import global_seed


def rows_of(
    usual: Callable[..., Any], named: dict[str, Any], refused: Callable[[str], None]
) -> Any:
    """Rows for the data that a fit or an evaluate was given; Keras' own iterator, made by `usual`,
    where these are not plain arrays of which an epoch sees all: `refused` is told why."""
    if not can_look_at(named):
        refused("its data are not arrays in memory")
        return usual(**named)
    named = dict(named)
    distribute_strategy = named.pop("distribute_strategy", None)
    iterator = keras_internals.base_iterator()(**named)
    reason = why_not(iterator)
    if reason is not None:
        refused(reason)
        return usual(distribute_strategy=distribute_strategy, **named)
    return Rows(iterator, lambda: usual(distribute_strategy=distribute_strategy, **named))


def can_look_at(named: dict[str, Any]) -> bool:
    """Whether Keras may make an iterator of these data twice: not of a generator, which would lose
    a batch by it."""
    import keras

    data = [named.get(name) for name in ("x", "y", "sample_weight")]
    return all(part is None or hasattr(part, "shape") for part in keras.tree.flatten(data))


def why_not(iterator: Any) -> str | None:
    """Why an iterator's data are not for a program, None where they are."""
    import keras
    import tensorflow as tf

    adapter = iterator.data_adapter
    if not keras_internals.is_array_adapter(adapter):
        return f"its data are not arrays in memory ({type(adapter).__name__})"
    if iterator.steps_per_epoch not in (None, adapter.num_batches):
        return "its epochs have another number of steps than its data"
    if iterator.steps_per_execution != 1:
        return "it runs several steps an execution"
    if keras_internals.batching_of(adapter)[2] == "batch":
        return "shuffle='batch'"
    flat = keras.tree.flatten(keras_internals.arrays_of(adapter))
    if not all(isinstance(part, (np.ndarray, tf.Tensor)) for part in flat):
        return "its data are sparse, ragged or left out in part"
    return None


class Rows:
    """Arrays and an order of their rows: Keras' own order for the same seed.

    `specs` has a pair for each array: the whole, and a batch as Keras' own dataset would give it,
    its size known where all batches are equal.
    """

    def __init__(self, iterator: Any, usual: Callable[[], Any]) -> None:
        import keras
        import tensorflow as tf

        self._iterator, self._make_usual, self._made_usual = iterator, usual, None
        self.structure = keras_internals.arrays_of(iterator.data_adapter)
        self.data = [tf.constant(part) for part in keras.tree.flatten(self.structure)]
        count, self.batch_size, shuffle = keras_internals.batching_of(iterator.data_adapter)
        size = self.batch_size if count % self.batch_size == 0 else None
        self.specs = tuple(
            (
                tf.TensorSpec([None, *part.shape[1:]], part.dtype),
                tf.TensorSpec([size, *part.shape[1:]], part.dtype),
            )
            for part in self.data
        )
        self._count, self._shuffle = count, bool(shuffle)
        self._seed = global_seed()
        self.rows: npt.NDArray[np.int64] | None = None

    def __iter__(self) -> Iterator[tuple[int, int, Rows]]:
        if not self._shuffle:
            self.rows = np.arange(self._count)
        elif self._seed is None:  # any order will do
            self.rows = np.random.default_rng().permutation(self._count)
        else:
            self.rows = order_of_fit(self._seed, self._count)
        yield 0, self.num_batches - 1, self

    def pack(self, flat: Any) -> Any:
        """A batch's tensors in the structure that a step takes."""
        import keras

        return keras.tree.pack_sequence_as(self.structure, list(flat))

    def usual(self) -> Any:
        """Keras' own iterator over the same data, which begins at its first epoch."""
        if self._made_usual is None:
            self._made_usual = self._make_usual()
        return self._made_usual

    # What Keras' loop asks of an iterator.

    @property
    def num_batches(self) -> int:
        return int(self._iterator.num_batches)

    @property
    def data_adapter(self) -> Any:
        return self._iterator.data_adapter

    def reset(self) -> None:
        self._iterator.reset()

    def catch_stop_iteration(self) -> Any:
        return self._iterator.catch_stop_iteration()

"""The program of lanes: one network's training, over as many lanes as share it, as two graphs.

In shapes, K are the lanes, B a batch's samples, n the rows of an epoch. The weights, the other
variables and the optimizer's slots are stacked, `[K, ...]`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from tuner.lanes.keras_internals import compiled_loss, rate_of
from tuner.lanes.lane import Pool, Rows
from tuner.lanes.optimizer import RATE, lane_optimizer, numbers_of, set_numbers
from tuner.lanes.random_internals import teach_random_numbers
from tuner.lanes.rules import vectorises
from tuner.training.autograph_files import remove_autograph_files

if TYPE_CHECKING:
    import keras


class LaneProgram:
    """The variables of `count` lanes, and the graphs that train and judge all of them."""

    def __init__(self, model: keras.Model, pool: Pool, count: int) -> None:
        """For a compiled model with all its variables; nothing is traced yet."""
        import tensorflow as tf

        self.model, self.count = model, count
        self.vectorised = vectorises(model)
        teach_random_numbers()
        self.numbers = tuple(numbers_of(model.optimizer))
        self.optimizer = lane_optimizer(model.optimizer)
        self.optimizer.build(model.trainable_variables)
        self._fresh_slots = values_of(self.optimizer.variables)
        self._metrics = model.metrics
        self._zeros = [[tf.zeros_like(v) for v in values_of(m.variables)] for m in self._metrics]
        self._x, self._y = _shared(pool.x), _shared(pool.y)
        self._weights = self._stacked(values_of(model.trainable_variables))
        self._others = self._stacked(values_of(model.non_trainable_variables))
        self._slots = self._stacked(self._fresh_slots)
        self._dtype = model.trainable_variables[0].dtype
        self._numbers = [tf.Variable(tf.zeros(count, self._dtype)) for _ in self.numbers]
        # Of any number and size of batches: one trace for all.
        rows = [tf.TensorSpec([count, None], tf.int32), tf.TensorSpec([], tf.int32)]
        self._train = tf.function(self._train_epoch, input_signature=rows, autograph=False)
        self._judge = tf.function(self._validation, input_signature=rows, autograph=False)
        self._put = tf.function(self._scatter, autograph=False)
        # By XLA an update is one pass over the weights, in place, and not up to nine.
        self._apply = tf.function(self._update_all, autograph=False, jit_compile=True)
        self.seconds: dict[str, float] = defaultdict(float)

    @property
    def samples(self) -> Any:
        """The samples of the pool, as a tensor."""
        return self._x

    def put(self, lane: int, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Let a lane begin with a model's values, and train by an optimizer's numbers."""
        import tensorflow as tf

        slots = list(self._fresh_slots)
        numbers = numbers_of(optimizer)
        if RATE in numbers:
            held = rate_of(self.optimizer)
            rate = next(i for i, v in enumerate(self.optimizer.variables) if v is held)
            slots[rate] = tf.constant(numbers[RATE], slots[rate].dtype)
        self._put(
            tf.constant(lane),
            values_of(model.trainable_variables),
            values_of(model.non_trainable_variables),
            slots,
            [tf.constant(numbers[name], self._dtype) for name in self.numbers],
        )

    def state(self, lane: int) -> list[Any]:
        """All that a lane's training goes on from, as NumPy arrays, its numbers aside."""
        return [v[lane].numpy() for part in self._trained for v in part]

    def go_on(self, lane: int, state: Sequence[Any]) -> None:
        """Let a lane that was put go on from a `state`."""
        import tensorflow as tf

        values = iter(state)
        new = [[tf.constant(next(values)) for _ in part] for part in self._trained]
        self._put(tf.constant(lane), *new, [number[lane] for number in self._numbers])

    def slots(self, lane: int) -> list[Any]:
        """A lane's slots as NumPy arrays, the learning rate aside."""
        return [self._slots[i][lane].numpy() for i in self._places()]

    def put_slots(self, lane: int, slots: Sequence[Any]) -> bool:
        """Give a lane another's slots, the learning rate aside; whether they have its shapes."""
        import tensorflow as tf

        own = [slot[lane] for slot in self._slots]
        places = self._places()
        if [own[i].shape for i in places] != [slot.shape for slot in slots]:
            return False
        for i, slot in zip(places, slots, strict=True):
            own[i] = tf.constant(slot)
        kept = ([v[lane] for v in part] for part in (self._weights, self._others))
        self._put(tf.constant(lane), *kept, own, [number[lane] for number in self._numbers])
        return True

    def steps(self, lane: int) -> int:
        """How many updates a lane's optimizer has made."""
        at = next(
            i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer.iterations
        )
        return int(self._slots[at][lane].numpy())

    def _places(self) -> list[int]:
        rate = rate_of(self.optimizer) if RATE in self.numbers else None
        return [i for i, v in enumerate(self.optimizer.variables) if v is not rate]

    def weights(self, lane: int) -> tuple[list[Any], list[Any]]:
        """A lane's trainable and other variables, as NumPy arrays."""
        return [v[lane].numpy() for v in self._weights], [v[lane].numpy() for v in self._others]

    def train(self, rows: Rows, size: int) -> dict[str, Any]:
        """Train every lane on its rows [K, n] in batches of `size`; its metrics, each [K]."""
        return self._run(self._train, "train", rows, size)

    def judge(self, rows: Rows, size: int) -> dict[str, Any]:
        """Judge every lane on its rows, as `train` trains on them."""
        return self._run(self._judge, "validate", rows, size)

    @property
    def _trained(self) -> tuple[list[Any], list[Any], list[Any]]:
        return self._weights, self._others, self._slots

    # ------------------------------------------------------------------------------- graphs

    def _stacked(self, values: list[Any]) -> list[Any]:
        import tensorflow as tf

        return [tf.Variable(tf.stack([value] * self.count)) for value in values]

    def _run(self, function: Any, name: str, rows: Rows, size: int) -> dict[str, Any]:
        """One of the two programs over these rows, and what it took."""
        import tensorflow as tf

        batches = tf.constant(rows, tf.int32), tf.constant(size, tf.int32)
        began = time.monotonic()
        if not self.seconds[name]:
            function.get_concrete_function()
            remove_autograph_files()  # of maps under XLA, which are functions
            self.seconds["compile"] += time.monotonic() - began
            began = time.monotonic()
        values = {metric: tensor.numpy() for metric, tensor in function(*batches).items()}
        self.seconds[name] += time.monotonic() - began
        return values

    def _scatter(self, lane: Any, *new: list[Any]) -> None:
        """Write one lane's variables. (`v[k].assign` would slow down every later epoch.)"""
        import tensorflow as tf

        for variables, values in zip((*self._trained, self._numbers), new, strict=True):
            for variable, value in zip(variables, values, strict=True):
                at = tf.reshape(lane, (1, 1))
                variable.assign(tf.tensor_scatter_nd_update(variable.value(), at, value[None]))

    def _map_lanes(self, work: Callable[..., Any], *stacked: Any) -> Any:
        """`work` for every lane's part of the stacked tensors, its results stacked."""
        import tensorflow as tf

        if self.vectorised:
            return tf.vectorized_map(lambda parts: work(*parts), stacked)
        lanes = [
            work(*tf.nest.map_structure(lambda t, k=k: t[k], stacked)) for k in range(self.count)
        ]
        return tf.nest.map_structure(lambda *parts: tf.stack(parts), *lanes)

    def _lane_loss(self, weights: Any, others: Any, x: Any, y: Any, training: bool) -> Any:
        """One lane's loss as `compile` defines it, regularisers included."""
        import tensorflow as tf

        predicted, others, extra = self.model.stateless_call(
            weights, others, x, training=training, return_losses=True
        )
        loss = compiled_loss(self.model, y, predicted)
        return tf.add_n([loss, *(tf.cast(e, loss.dtype) for e in extra)]), others, predicted

    def _lane_metrics(self, sums: Any, loss: Any, y: Any, predicted: Any, samples: Any) -> Any:
        """One lane's metrics with a batch added: the losses' mean first, then the compiled ones."""
        mean, *compiled_metrics = self._metrics
        counted = [mean.stateless_update_state(sums[0], loss, sample_weight=samples)]
        for metric, state in zip(compiled_metrics, sums[1:], strict=True):
            counted.append(metric.stateless_update_state(state, y, predicted))
        return counted

    def _lane_update(self, slots: Any, gradients: Any, weights: Any, numbers: Any) -> Any:
        set_numbers(self.optimizer, dict(zip(self.numbers, numbers, strict=True)))
        return self.optimizer.stateless_apply(slots, gradients, weights)

    def _update_all(self, gradients: Any) -> None:
        """The optimizer's update of every lane."""
        values = ([v.value() for v in p] for p in (self._slots, self._weights, self._numbers))
        slots, weights, numbers = values
        new_weights, new_slots = self._map_lanes(
            self._lane_update, slots, gradients, weights, numbers
        )
        _assign(self._weights, new_weights)
        _assign(self._slots, new_slots)

    def _train_batch(self, rows: Any, sums: Any) -> Any:
        """One batch of every lane: rows [K, B] of the pool."""
        import tensorflow as tf

        x, y = tf.gather(self._x, rows), tf.gather(self._y, rows)
        weights, others = ([v.value() for v in p] for p in (self._weights, self._others))
        # The tape is outside of the map: inside, recurrent layers cannot be differentiated.
        with tf.GradientTape() as tape:
            tape.watch(weights)
            losses, new_others, predicted = self._map_lanes(
                lambda w, o, a, b: self._lane_loss(w, o, a, b, True), weights, others, x, y
            )
            total = tf.reduce_sum(losses)
        self._apply(tape.gradient(total, weights))
        _assign(self._others, new_others)
        return self._add_batch(sums, losses, y, predicted, rows)

    def _validate_batch(self, rows: Any, sums: Any) -> Any:
        """One batch of validation."""
        import tensorflow as tf

        x, y = tf.gather(self._x, rows), tf.gather(self._y, rows)
        weights, others = ([v.value() for v in p] for p in (self._weights, self._others))
        losses, new_others, predicted = self._map_lanes(
            lambda w, o, a, b: self._lane_loss(w, o, a, b, False), weights, others, x, y
        )
        # A recurrent layer with dropout counts its calls here too, and so may a user's layer.
        _assign(self._others, new_others)
        return self._add_batch(sums, losses, y, predicted, rows)

    def _add_batch(self, sums: Any, losses: Any, y: Any, predicted: Any, rows: Any) -> Any:
        import tensorflow as tf

        samples = tf.fill((self.count,), tf.cast(tf.shape(rows)[1], losses.dtype))
        return self._map_lanes(self._lane_metrics, sums, losses, y, predicted, samples)

    def _over_batches(
        self, step: Callable[[Any, Any], Any], rows: Any, size: Any
    ) -> dict[str, Any]:
        """The metrics after `step` for the rows [K, n] in batches of `size`, the last of what is
        left."""
        import tensorflow as tf

        n = tf.shape(rows)[1]
        sums = [[tf.stack([z] * self.count) for z in state] for state in self._zeros]
        _, sums = tf.while_loop(
            lambda start, _: start < n,
            lambda start, sums: (start + size, step(rows[:, start : start + size], sums)),
            (tf.constant(0), sums),
            parallel_iterations=1,
        )

        def results(state: Any) -> Any:
            mean, *compiled_metrics = self._metrics
            named = {"loss": mean.stateless_result(state[0])}
            for metric, part in zip(compiled_metrics, state[1:], strict=True):
                named |= metric.stateless_result(part)
            return named

        return dict(self._map_lanes(results, sums))

    def _train_epoch(self, rows: Any, size: Any) -> dict[str, Any]:
        return self._over_batches(self._train_batch, rows, size)

    def _validation(self, rows: Any, size: Any) -> dict[str, Any]:
        return self._over_batches(self._validate_batch, rows, size)


def values_of(variables: Any) -> list[Any]:
    import tensorflow as tf

    return [tf.convert_to_tensor(variable.value) for variable in variables]


def _shared(array: npt.NDArray[Any]) -> Any:
    """An array as a tensor, on a CPU in the same memory: `tf.constant` copies it, mostly twice."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return tf.constant(array)
    return tf.function(lambda: tf.numpy_function(lambda: array, [], array.dtype), autograph=False)()


def _assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)

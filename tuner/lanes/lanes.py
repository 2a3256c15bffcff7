"""Lanes: many trainings of one network as one program, each with its own numbers and data order.

    lanes = Lanes(declaration, trial, pool, count=6)     # traced for this trial's network
    lanes.put(0, trial, rows)                            # a lane trains `trial` on these rows
    reports = lanes.epoch()                              # one epoch of all lanes: {0: {...}, ...}

A small network leaves a core idle between its tiny kernels. Here the weights of K networks are
stacked, `[K, ...]`, and a step of all is one program: the forward pass is vectorised over lanes
(or unrolled, for convolutions, which do not vectorise), the gradient taken outside of it, and the
update is the optimizer's own, `stateless_apply`, vectorised too. Learning rate, momentum and the
other numbers of an optimizer and its schedule are tensors with one value a lane. The epoch is a
loop in the graph over samples that stay in memory, gathered by each lane's own order.

Numbers are those of `fit` but for rounding. The nearest work is HFTA (Wang
et al., "Horizontally Fused Training Array", MLSys 2021) for PyTorch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.lanes.keras_internals import compiled_loss, rate_of
from tuner.lanes.lane import Lane, Pool, Rows, data_order
from tuner.lanes.optimizer import RATE, lane_optimizer, numbers_of, set_numbers
from tuner.lanes.random_internals import teach_random_numbers
from tuner.lanes.rules import judges_in_any_batches, vectorises
from tuner.training.declared import (
    batch_size_of,
    build_model,
    create_variables,
    loss_of,
    metrics_of,
    optimizer_of,
    validation_batch_size,
)

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.trial.trial import Trial


class Lanes:
    """`count` lanes over one network. Not for several threads."""

    def __init__(
        self,
        declaration: KerasModel,
        trial: Trial,
        pool: Pool,
        count: int,
    ) -> None:
        """Prepare lanes for the network that `trial` declares; nothing is traced yet."""
        import tensorflow as tf

        self.declaration, self.count = declaration, count
        self.lanes: list[Lane | None] = [None] * count
        self.model = compiled(declaration, trial, pool.y)
        self.vectorised = vectorises(self.model)
        self._judges_anyhow = judges_in_any_batches(self.model)
        teach_random_numbers()
        template = optimizer_of(declaration, trial)
        self.numbers = tuple(numbers_of(template))
        self.optimizer = lane_optimizer(template)
        self.optimizer.build(self.model.trainable_variables)
        self._fresh_slots = _values(self.optimizer.variables)
        self._metrics = self.model.metrics
        self._zeros = [[tf.zeros_like(v) for v in _values(m.variables)] for m in self._metrics]
        self._x, self._y = _shared(pool.x), _shared(pool.y)
        self._weights = self._stacked(_values(self.model.trainable_variables))
        self._others = self._stacked(_values(self.model.non_trainable_variables))
        self._slots = self._stacked(self._fresh_slots)
        self._dtype = self.model.trainable_variables[0].dtype
        self._numbers = [tf.Variable(tf.zeros(count, self._dtype)) for _ in self.numbers]
        # Of any number and size of batches: one trace for all.
        rows = [tf.TensorSpec([count, None], tf.int32), tf.TensorSpec([], tf.int32)]
        self._train = tf.function(self._train_epoch, input_signature=rows, autograph=False)
        self._judge = tf.function(self._validation, input_signature=rows, autograph=False)
        self._put = tf.function(self._scatter, autograph=False)
        # By XLA an update is one pass over the weights, in place, and not up to nine.
        self._apply = tf.function(self._updates, autograph=False, jit_compile=True)
        self.seconds: dict[str, float] = defaultdict(float)

    # ------------------------------------------------------------------------------- lanes

    def put(
        self, lane: int, trial: Trial, train: Rows, val: Rows, model: keras.Model | None = None
    ) -> None:
        """Let a lane train `trial`, from the initial weights that any engine gives it.

        `train` and `val` are rows of the pool; `model` is the trial's network, if it is built
        already. It must be of the form of the lanes'.
        """
        import tensorflow as tf

        model = model or build_model(self.declaration, trial)
        optimizer = optimizer_of(self.declaration, trial)
        batch_size = batch_size_of(self.declaration, trial)
        x_val = self._x[:1].numpy()
        slots = list(self._fresh_slots)
        numbers = numbers_of(optimizer)
        if RATE in numbers:
            held = rate_of(self.optimizer)
            rate = next(i for i, v in enumerate(self.optimizer.variables) if v is held)
            slots[rate] = tf.constant(numbers[RATE], slots[rate].dtype)
        self._put(
            tf.constant(lane),
            _values(model.trainable_variables),
            _values(model.non_trainable_variables),
            slots,
            [tf.constant(numbers[name], self._dtype) for name in self.numbers],
        )
        size = batch_size
        if self._judges_anyhow:
            size = validation_batch_size(self.declaration, batch_size, x_val)
        self.lanes[lane] = Lane(trial, train, val, batch_size, size, optimizer)

    def state(self, lane: int) -> list[Any]:
        """All that a lane's training goes on from, as NumPy arrays, its numbers aside."""
        return [v[lane].numpy() for part in self._trained for v in part]

    def go_on(self, lane: int, state: Sequence[Any], epochs: int) -> None:
        """Let a lane that was put go on from the `state` of its trial after so many epochs."""
        import tensorflow as tf

        held, values = self.lanes[lane], iter(state)
        assert held is not None
        new = [[tf.constant(next(values)) for _ in part] for part in self._trained]
        self._put(tf.constant(lane), *new, [number[lane] for number in self._numbers])
        held.epochs = epochs

    @property
    def _trained(self) -> tuple[list[Any], list[Any], list[Any]]:
        return self._weights, self._others, self._slots

    def free(self, lane: int) -> None:
        """Forget what a lane trains."""
        self.lanes[lane] = None

    def weights(self, lane: int) -> tuple[list[Any], list[Any]]:
        """A lane's trainable and other variables, as NumPy arrays."""
        return [v[lane].numpy() for v in self._weights], [v[lane].numpy() for v in self._others]

    @property
    def traced(self) -> bool:
        """Whether an epoch has been trained: what cannot be traced raises at the first."""
        return self.seconds["train"] > 0

    def epoch(self) -> dict[int, dict[str, float]]:
        """Train every lane that has a trial for an epoch, and judge it; its metrics by lane.

        The names are those of `fit`: loss, the metrics, val_loss, val_..., and learning_rate, the
        one of the next update. All lanes must be of one `shape`.
        """
        busy = {k: lane for k, lane in enumerate(self.lanes) if lane is not None}
        first = next(iter(busy.values()))
        # A lane without a trial does the first one's work on what it has: nobody looks at it.
        rows = [self.lanes[k] or first for k in range(self.count)]
        orders = [data_order(lane.trial.seed, lane.train) for lane in rows]
        trained = self._run(self._train, "train", np.stack(orders), first.batch_size)
        judged = self._run(
            self._judge, "validate", np.stack([lane.val for lane in rows]), first.val_batch_size
        )
        values = {**trained, **{f"val_{name}": column for name, column in judged.items()}}
        reports = {}
        for k, lane in busy.items():
            lane.epochs += 1
            lane.optimizer.iterations.assign(lane.steps)
            report = {name: float(column[k]) for name, column in values.items()}
            reports[k] = {**report, "learning_rate": float(lane.optimizer.learning_rate)}
        return reports

    # ------------------------------------------------------------------------------- graph

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

    def _each(self, work: Callable[..., Any], *stacked: Any) -> Any:
        """`work` for every lane's part of the stacked tensors, its results stacked."""
        import tensorflow as tf

        if self.vectorised:
            return tf.vectorized_map(lambda parts: work(*parts), stacked)
        lanes = [
            work(*tf.nest.map_structure(lambda t, k=k: t[k], stacked)) for k in range(self.count)
        ]
        return tf.nest.map_structure(lambda *parts: tf.stack(parts), *lanes)

    def _loss(self, weights: Any, others: Any, x: Any, y: Any, training: bool) -> Any:
        """One lane's loss as `compile` defines it, regularisers included."""
        import tensorflow as tf

        predicted, others, extra = self.model.stateless_call(
            weights, others, x, training=training, return_losses=True
        )
        loss = compiled_loss(self.model, y, predicted)
        return tf.add_n([loss, *(tf.cast(e, loss.dtype) for e in extra)]), others, predicted

    def _count(self, sums: Any, loss: Any, y: Any, predicted: Any, samples: Any) -> Any:
        """One lane's metrics with a batch added: the losses' mean first, then the compiled ones."""
        mean, *compiled_metrics = self._metrics
        counted = [mean.stateless_update_state(sums[0], loss, sample_weight=samples)]
        for metric, state in zip(compiled_metrics, sums[1:], strict=True):
            counted.append(metric.stateless_update_state(state, y, predicted))
        return counted

    def _update(self, slots: Any, gradients: Any, weights: Any, numbers: Any) -> Any:
        set_numbers(self.optimizer, dict(zip(self.numbers, numbers, strict=True)))
        return self.optimizer.stateless_apply(slots, gradients, weights)

    def _updates(self, gradients: Any) -> None:
        """The optimizer's update of every lane."""
        values = ([v.value() for v in p] for p in (self._slots, self._weights, self._numbers))
        slots, weights, numbers = values
        new_weights, new_slots = self._each(self._update, slots, gradients, weights, numbers)
        _assign(self._weights, new_weights)
        _assign(self._slots, new_slots)

    def _step(self, rows: Any, sums: Any) -> Any:
        """One batch of every lane: rows [K, B] of the pool."""
        import tensorflow as tf

        x, y = tf.gather(self._x, rows), tf.gather(self._y, rows)
        weights, others = ([v.value() for v in p] for p in (self._weights, self._others))
        # The tape is outside of the map: inside, recurrent layers cannot be differentiated.
        with tf.GradientTape() as tape:
            tape.watch(weights)
            losses, new_others, predicted = self._each(
                lambda w, o, a, b: self._loss(w, o, a, b, True), weights, others, x, y
            )
            total = tf.reduce_sum(losses)
        self._apply(tape.gradient(total, weights))
        _assign(self._others, new_others)
        return self._counted(sums, losses, y, predicted, rows)

    def _look(self, rows: Any, sums: Any) -> Any:
        """One batch of validation."""
        import tensorflow as tf

        x, y = tf.gather(self._x, rows), tf.gather(self._y, rows)
        weights, others = ([v.value() for v in p] for p in (self._weights, self._others))
        losses, _, predicted = self._each(
            lambda w, o, a, b: self._loss(w, o, a, b, False), weights, others, x, y
        )
        return self._counted(sums, losses, y, predicted, rows)

    def _counted(self, sums: Any, losses: Any, y: Any, predicted: Any, rows: Any) -> Any:
        import tensorflow as tf

        samples = tf.fill((self.count,), tf.cast(tf.shape(rows)[1], losses.dtype))
        return self._each(self._count, sums, losses, y, predicted, samples)

    def _over(self, step: Callable[[Any, Any], Any], rows: Any, size: Any) -> dict[str, Any]:
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

        return dict(self._each(results, sums))

    def _train_epoch(self, rows: Any, size: Any) -> dict[str, Any]:
        return self._over(self._step, rows, size)

    def _validation(self, rows: Any, size: Any) -> dict[str, Any]:
        return self._over(self._look, rows, size)


def compiled(declaration: KerasModel, trial: Trial, y: Any) -> keras.Model:
    """The trial's network compiled with all its variables, the optimizer's aside."""
    model = build_model(declaration, trial)
    model.compile(
        optimizer=optimizer_of(declaration, trial),
        loss=loss_of(declaration, trial),
        metrics=metrics_of(declaration, trial),
    )
    create_variables(model, y)
    return model


def _values(variables: Any) -> list[Any]:
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

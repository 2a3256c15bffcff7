"""Programs: whom a trial shares with, and that its numbers are those of plain `fit`.

Each case is a list of points with what must become of it: "new" (another graph), "same" (shared,
equal to the bit), "lift" (other numbers in the same graph, equal up to rounding; "recall" without a
full trace, "trace" by one), or a part of the reason why Keras trains.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.programs.pairs import Point, Ran, distance, float64, train
from tuner.programs.cache import Programs

ROUNDING = 1e-9


def dense(point: Point, *more: Any, loss: Any = "sparse_categorical_crossentropy") -> Any:
    import keras

    layers = [keras.layers.Dense(point.get("units", 12), point.get("act", "relu")), *more]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10, "softmax")])
    optimizer = keras.optimizers.SGD(point.get("rate", 0.05), momentum=point.get("m", 0.8))
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def dropout_and_norm(point: Point) -> Any:
    import keras

    model = dense(point, keras.layers.BatchNormalization(), keras.layers.Dropout(point["drop"]))
    model.compile(keras.optimizers.Adam(0.003), model.loss, metrics=["accuracy"])
    return model


def two_numbers(point: Point) -> Any:
    import keras

    l2 = keras.regularizers.L2(point.get("l2", 0.02))
    return dense(
        point, keras.layers.Dropout(point["drop"]), keras.layers.Dense(9, kernel_regularizer=l2)
    )


def compiled_by_adam(point: Point) -> Any:
    import keras

    model = dense(point)
    model.compile(keras.optimizers.Adam(0.003, beta_1=point["beta"]), model.loss)
    return model


def closure(point: Point) -> Any:
    import keras

    def squash(x: Any) -> Any:
        return keras.ops.tanh(point["steep"] * x) if point["bend"] else point["steep"] * x

    return dense({"act": squash})


def attribute(point: Point) -> Any:
    import keras

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = keras.layers.Dense(8), keras.layers.Dense(10, "softmax")

        def call(self, x: Any) -> Any:
            return self.last(self.first(x) * self.scale if self.scaled else self.first(x))

    net = Net()
    net.scale, net.scaled = point["scale"], point["scale"] != 0
    net.compile("adam", "sparse_categorical_crossentropy")
    return net


def own_loss(point: Point) -> Any:
    import keras

    def loss(y: Any, q: Any) -> Any:
        right = keras.ops.take_along_axis(q, keras.ops.cast(y, "int32")[:, None], axis=1)
        return -((1 - right) ** point["gamma"]) * keras.ops.log(right + 1e-7)

    return dense(point, loss=loss)


def loop_traced_before(point: Point) -> Any:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None, 10], tf.float64)], autograph=False)
    def halved(x: Any) -> Any:
        count = tf.constant(0)
        step = lambda i, x: (i + 1, x * point["times"])  # noqa: E731
        return tf.while_loop(lambda i, _: i < 3, step, (count, x))[1]

    if point["before"]:
        halved(tf.ones([1, 10], tf.float64))
    return dense({}, loss=lambda y, q: tf.reduce_mean(halved(q) ** 2, axis=-1))


def own_schedule(point: Point) -> Any:
    import keras

    class Warm(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            step = keras.ops.cast(step, "float64") + 1.0
            late = keras.ops.sqrt(step) if point["root"] else step
            return point["top"] * keras.ops.minimum(1.0, 3.0 / late)

    model = dense({})
    model.compile(keras.optimizers.SGD(Warm()), model.loss)
    return model


def own_step(point: Point) -> Any:
    import keras
    import tensorflow as tf

    class Net(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True)) * point["times"]
            gradients = tape.gradient(loss, self.trainable_variables)
            for _ in range(point["updates"]):
                self.optimizer.apply_gradients(
                    zip(gradients, self.trainable_variables, strict=True)
                )
            return {"loss": loss}

    net = Net([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    net.compile(keras.optimizers.SGD(0.03), "sparse_categorical_crossentropy")
    return net


def adapted(point: Point) -> Any:
    import keras

    from tests.programs.pairs import samples

    normal = keras.layers.Normalization()
    normal.adapt(samples()[0][: point["rows"]])
    layers = [keras.Input((64,)), normal, keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def frozen(point: Point) -> Any:
    import keras

    layer = keras.layers.Dense(9)
    layer.trainable = not point["frozen"]
    return dense({}, layer)


def hidden_gradient(point: Point) -> Any:
    import keras
    import tensorflow as tf

    @tf.custom_gradient
    def scaled(x: Any) -> Any:
        return x * 1.0, lambda upstream: upstream * (2.0 if point["double"] else 1.0)

    return dense({}, keras.layers.Lambda(scaled))


def own_metric(point: Point) -> Any:
    import keras

    class Above(keras.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="above")
            self.total = self.add_weight(name="total", initializer="zeros")

        def update_state(self, y: Any, q: Any, sample_weight: Any = None) -> None:
            sure = keras.ops.max(q, axis=-1) > point["at"]
            self.total.assign_add(keras.ops.sum(keras.ops.cast(sure, self.dtype)))

        def result(self) -> Any:
            return self.total / 2 if point.get("half") else self.total * 1

    model = dense({})
    model.compile("rmsprop", model.loss, metrics=[Above()], weighted_metrics=["accuracy"])
    return model


def static_shape(point: Point) -> Any:
    import keras

    def call(x: Any) -> Any:
        rows = x.shape[0]
        return x * (3.0 if rows is None else float(rows) / 25)

    return dense({}, keras.layers.Lambda(call))


def looked_up(point: Point) -> Any:
    import keras

    codes = keras.layers.IntegerLookup(vocabulary=list(range(point["known"])), output_mode="int")
    model = keras.Sequential(
        [
            keras.Input((64,), dtype="int64"),
            codes,
            keras.layers.Embedding(20, 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def patched(point: Point) -> Any:
    import keras

    model = dense({})

    def update(self: Any, gradient: Any, variable: Any, rate: Any) -> None:
        rate = keras.ops.cast(rate, variable.dtype)
        self.assign_sub(variable, rate * keras.ops.sign(gradient) * point["times"])

    keras.optimizers.SGD.update_step = update  # undone by the test
    return model


def stateful_noise(point: Point) -> Any:
    import keras
    import tensorflow as tf

    return dense(
        {}, keras.layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x), dtype=x.dtype))
    )


def schedule_free(point: Point) -> Any:
    import keras

    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)  # not built before its fit: its optimizer is within a step
    model.compile(keras.optimizers.ScheduleFreeAdamW(0.03), "sparse_categorical_crossentropy")
    return model


CASES: dict[str, tuple[Any, list[tuple[str, Point]]]] = {
    "dense": (
        dense,
        [
            ("new", {}), ("same", {"rate": 0.02}), ("new", {"act": "tanh"}), ("new", {"units": 13}),
            ("lift", {"m": 0.3}), ("lift", {"m": 0.5}), ("new", {"m": 0.0}),
        ],
    ),
    "dropout": (
        dropout_and_norm,
        [("new", {"drop": 0.2}), ("lift", {"drop": 0.3}), ("lift", {"drop": 0.1})],
    ),
    "family": (
        two_numbers,
        [
            ("new", {"drop": 0.2, "m": 0.7}), ("lift", {"drop": 0.3, "m": 0.5}),
            ("trace", {"drop": 0.5, "m": 0.4}), ("recall", {"drop": 0.1, "m": 0.6}),
            ("recall", {"drop": 0.5, "m": 0.9}), ("new", {"drop": 0.5, "m": 0.0}),
            ("lift", {"drop": 0.1, "m": 0.6, "l2": 0.01}),
        ],
    ),
    "derived": (
        compiled_by_adam,
        [
            ("new", {"beta": 0.9}), ("lift", {"beta": 0.8}), ("trace", {"beta": 0.7}),
            ("trace", {"beta": 0.6}),
        ],
    ),
    "closure": (
        closure,
        [
            ("new", {"steep": 1.5, "bend": True}), ("same", {"steep": 1.5, "bend": True}),
            ("lift", {"steep": 2.0, "bend": True}), ("new", {"steep": 2.0, "bend": False}),
        ],
    ),
    "attribute": (
        attribute, [("new", {"scale": 2.0}), ("lift", {"scale": 3.0}), ("new", {"scale": 0})],
    ),
    "own loss": (own_loss, [("new", {"gamma": 2.5}), ("lift", {"gamma": 1.5})]),
    "loop": (
        loop_traced_before,
        [
            ("new", {"times": 0.5, "before": False}), ("same", {"times": 0.5, "before": False}),
            ("same", {"times": 0.5, "before": True}), ("new", {"times": 0.25, "before": True}),
        ],
    ),
    "own schedule": (
        own_schedule,
        [
            ("new", {"top": 0.1, "root": True}), ("lift", {"top": 0.2, "root": True}),
            ("new", {"top": 0.1, "root": False}),
        ],
    ),
    "own step": (
        own_step,
        [
            ("new", {"times": 1.5, "updates": 1}), ("same", {"times": 1.5, "updates": 1}),
            ("new", {"times": 1.5, "updates": 2}), ("lift", {"times": 2.5, "updates": 1}),
        ],
    ),
    "adapted": (adapted, [("new", {"rows": 200}), ("same", {"rows": 200}), ("new", {"rows": 60})]),
    "frozen": (
        frozen,
        [("new", {"frozen": False}), ("new", {"frozen": True}), ("same", {"frozen": False})],
    ),
    "hidden gradient": (hidden_gradient, [("new", {"double": False}), ("lift", {"double": True})]),
    "own metric": (
        own_metric,
        [("new", {"at": 0.5}), ("lift", {"at": 0.3}), ("new", {"at": 0.5, "half": True})],
    ),
    "static shape": (static_shape, [("new", {}), ("same", {})]),
    "schedule free": (schedule_free, [("ScheduleFreeAdamW may set variables", {})]),
    "looked up": (looked_up, [("(LookupTableFindV2)", {"known": 9})]),
    "patched": (
        patched, [("new", {"times": 0.5}), ("same", {"times": 0.5}), ("lift", {"times": 0.25})],
    ),
    "stateful noise": (stateful_noise, [("(RandomStandardNormal)", {})] * 2),
}  # fmt: skip


def check(points: list[tuple[str, Point]], make: Any, programs: Programs, **options: Any) -> None:
    known: dict[str, Ran] = {}
    for wanted, point in points:
        # The same point again is the same to plain fit; whether it is to us, is what is asked.
        if repr(point) not in known:
            known[repr(point)] = train(make, point, None, **options)
        plain = known[repr(point)]
        warm = train(make, point, programs, **options)
        if wanted == "new":
            assert (warm.how, warm.lifted) == ("new", False), (point, warm.how)
        elif wanted == "same":
            assert warm.how in ("traced", "recalled"), (point, warm.how)
        elif wanted in ("lift", "recall", "trace"):
            assert warm.lifted, (point, warm.how)
            assert wanted != "recall" or warm.how == "recalled", (point, warm.how)
            assert wanted != "trace" or warm.how == "traced", (point, warm.how)
        else:
            assert wanted in warm.how
        assert distance(plain, warm) <= (ROUNDING if warm.lifted else 0.0), point


@pytest.mark.parametrize("name", CASES)
def test_who_shares_a_program_and_what_comes_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    sgd = keras.optimizers.SGD
    monkeypatch.setattr(sgd, "update_step", sgd.update_step)  # put back what "patched" sets
    make, points = CASES[name]
    with float64():
        check(points, make, Programs())

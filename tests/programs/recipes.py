"""Random trainings: a recipe names each part, from Keras' public catalogue or of the user's own.

`drawn` gives a recipe for a seed and one that differs from it in a place, or in none; `build` makes
the compiled model of a recipe, `fit_options` what its `fit` is told.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

Recipe = dict[str, Any]
WIDTH, CLASSES, ROWS, JUDGED = 8, 4, 70, 24
NEED_MORE = ("LossScaleOptimizer", "Optimizer", "Loss", "Metric", "CTC")
"""Of the catalogue: base classes, and what is for other shapes of data."""
SPARSE = ("SparseCategoricalCrossentropy", "Circle", "CategoricalGeneralizedCrossEntropy")
"""Losses that take classes as numbers, with metrics called Sparse...; all else sees one-hot rows.
"""
STEEP = (
    "Lion", "Adafactor", "Muon", "Nadam", "Adam", "AdamW", "Adamax", "RMSprop", "Lamb", "Adadelta",
    "ScheduleFreeAdamW", "MultiOptimizer",
)  # fmt: skip
"""Optimizers that make much of a gradient near zero: a rounding in it may turn an update round."""
OF_OTHERS = ("LossScaleOptimizer", "MultiOptimizer")
"""Optimizers that have others within."""
METRIC_ARGUMENTS: dict[str, dict[str, Any]] = {
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "BinaryIoU": {},
    "MeanIoU": {"num_classes": CLASSES},
    "OneHotIoU": {"num_classes": CLASSES, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": CLASSES},
    "ConcordanceCorrelation": {},
}
NOT_METRICS = ("Mean", "Sum", "TopKCategoricalAccuracy", "SparseTopKCategoricalAccuracy")
"""Of one value, not of labels and predictions; and those that TensorFlow has in float32 alone."""


@cache
def catalogue(module: str) -> tuple[str, ...]:
    """The classes of a public module of Keras', by name; for activations, the functions."""
    import keras

    found = getattr(keras, module)
    base = {
        "optimizers": keras.Optimizer,
        "losses": keras.losses.Loss,
        "metrics": keras.metrics.Metric,
    }.get(module)
    names = []
    for name in sorted(dir(found)):
        value = getattr(found, name)
        if base is None:
            if callable(value) and name not in ("get", "serialize", "deserialize"):
                names.append(name)
        elif isinstance(value, type) and issubclass(value, base) and name not in NEED_MORE:
            names.append(name)
    return tuple(names)


def places() -> dict[str, Callable[[Any], Any]]:
    """How each place of a recipe is drawn."""

    def among(*values: Any) -> Callable[[Any], Any]:
        return lambda random: values[int(random.integers(len(values)))]

    def number(low: float, high: float) -> Callable[[Any], Any]:
        return lambda random: round(float(random.uniform(low, high)), 3)

    return {
        "kind": among("sequential", "functional", "subclass"),
        "body": among("dense", "dense", "conv", "lstm", "gru", "attention"),
        "units": among(5, 6),
        "activation": among(*catalogue("activations"), "closure", "attribute"),
        "steep": number(0.5, 2),
        "between": among(
            "nothing", "dropout", "noise", "batch_norm", "layer_norm", "lambda", "own layer",
            "spatial", "alpha",
        ),
        "rate": number(0.05, 0.5),
        "regularizer": among(None, None, "l1", "l2", "closure"),
        "strength": number(0.001, 0.02),
        "constraint": among(None, None, None, "max_norm", "own"),
        "frozen": among(False, False, False, True),
        "optimizer": among(*catalogue("optimizers"), "own", "LossScaleOptimizer"),
        "clip": among({}, {}, {"clipnorm": 0.5}, {"clipvalue": 0.2}, {"global_clipnorm": 0.7}),
        "average": among({}, {}, {}, {"use_ema": True}, {"gradient_accumulation_steps": 2}),
        "schedule": among(
            None, None, None, "ExponentialDecay", "InverseTimeDecay", "PolynomialDecay",
            "CosineDecay", "PiecewiseConstantDecay", "own", "function",
        ),
        "learning_rate": number(0.001, 0.05),
        "loss": among(*catalogue("losses"), "own", "own class"),
        "gamma": number(1.2, 2.5),
        "metric": among(None, *(n for n in catalogue("metrics") if n not in NOT_METRICS), "own"),
        "weighted": among(False, False, True),
        "callback": among(None, None, "early", "plateau", "scheduler", "own", "batches"),
        "weights": among(None, None, "class", "sample"),
        "split": among("data", "data", "share", None),
        "batch_size": among(14, 20, 35),
        "shuffle": among(True, False),
        "again": among(False, False, False, True),
    }  # fmt: skip


def drawn(seed: int) -> tuple[Recipe, Recipe, str]:
    """A recipe, another that differs in one place, and the place; "" where they are equal."""
    random = np.random.default_rng(seed)
    ways = places()
    recipe = possible({name: way(random) for name, way in ways.items()})
    if random.random() < 0.2:
        return recipe, dict(recipe), ""
    place = sorted(ways)[int(random.integers(len(ways)))]
    return recipe, possible({**recipe, place: ways[place](random)}), place


def possible(recipe: Recipe) -> Recipe:
    """The recipe without what Keras' own `fit` refuses to have together."""
    made = dict(recipe)
    if made["schedule"] is not None and made["callback"] in ("plateau", "scheduler"):
        made["callback"] = None  # the rate cannot be set
    if made["optimizer"] in OF_OTHERS:
        made["clip"] = made["average"] = {}
    if made["optimizer"] == "Muon" and made["schedule"] == "PiecewiseConstantDecay":
        made["schedule"] = None  # its rate is float32, whatever the model is
    metric = made["metric"]
    if metric not in (None, "own"):
        bare = metric.removeprefix("Sparse")
        sparse = f"Sparse{bare}"
        known = catalogue("metrics")
        if made["loss"] in SPARSE:
            made["metric"] = sparse if sparse in known else "SparseCategoricalAccuracy"
        elif metric != bare:
            made["metric"] = bare
    elif metric == "own" and made["loss"] in SPARSE:
        made["metric"] = None
    return made


def build(recipe: Recipe) -> Any:
    """The compiled model of a recipe."""
    import keras

    model = network(recipe)
    metric = _metric(recipe)
    metrics = {"weighted_metrics" if recipe["weighted"] else "metrics": [metric] if metric else []}
    model.compile(optimizer(recipe), loss(recipe), **metrics)
    assert isinstance(model, keras.Model)
    return model


def _activation(recipe: Recipe) -> Any:
    import keras

    steep = recipe["steep"]

    class Bent:
        def __init__(self) -> None:
            self.steep = steep

        def __call__(self, x: Any) -> Any:
            return keras.ops.sin(self.steep * x)

    if recipe["activation"] == "threshold":  # it has no defaults
        return lambda x: keras.activations.threshold(x, steep / 9, 0.0)
    if recipe["activation"] == "closure":
        return lambda x: keras.ops.tanh(steep * x)
    return Bent() if recipe["activation"] == "attribute" else recipe["activation"]


def _between(recipe: Recipe) -> Any:
    import keras

    layers, rate = keras.layers, recipe["rate"]

    class Scaled(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.by = rate

        def call(self, x: Any, training: bool = False) -> Any:
            return x * self.by if training else x

    return {
        "nothing": lambda: layers.Identity(),
        "dropout": lambda: layers.Dropout(rate),
        "noise": lambda: layers.GaussianNoise(rate),
        "batch_norm": lambda: layers.BatchNormalization(momentum=1 - rate),
        "layer_norm": lambda: layers.LayerNormalization(epsilon=rate / 1e3),
        "lambda": lambda: layers.Lambda(lambda x: x + rate * keras.ops.mean(x, axis=0)),
        "own layer": Scaled,
        "spatial": lambda: layers.ActivityRegularization(l2=rate / 100),
        "alpha": lambda: layers.AlphaDropout(rate),
    }[recipe["between"]]()


def network(recipe: Recipe) -> Any:
    """Its model, not compiled."""
    import keras

    layers, ops = keras.layers, keras.ops
    strength, units = recipe["strength"], recipe["units"]
    regularizer = {
        None: None,
        "l1": keras.regularizers.L1(strength),
        "l2": keras.regularizers.L2(strength),
        "closure": lambda w: strength * ops.sum(ops.abs(w) ** 1.5),
    }[recipe["regularizer"]]

    def shrunk(w: Any) -> Any:
        return w * (1 - strength)

    constraint = {None: None, "max_norm": keras.constraints.MaxNorm(0.7), "own": shrunk}
    first = layers.Dense(
        units,
        _activation(recipe),
        kernel_regularizer=regularizer,
        kernel_constraint=constraint[recipe["constraint"]],
    )
    frozen = layers.Dense(units, trainable=not recipe["frozen"])
    parts = [first, _between(recipe), frozen]
    body: list[Any] = {
        "dense": list,
        "conv": lambda: [
            layers.Reshape((WIDTH, 1)), layers.Conv1D(3, 3), layers.MaxPooling1D(2),
            layers.Flatten(),
        ],
        "lstm": lambda: [layers.Reshape((4, 2)), layers.LSTM(3)],
        "gru": lambda: [layers.Reshape((4, 2)), layers.Bidirectional(layers.GRU(2))],
        "attention": lambda: [layers.Reshape((4, 2)), _attention(layers), layers.Flatten()],
    }[recipe["body"]]()  # fmt: skip
    parts = [*body, *parts]
    last = layers.Dense(CLASSES, "softmax")
    if recipe["kind"] == "sequential":
        return keras.Sequential([keras.Input((WIDTH,)), *parts, last])
    if recipe["kind"] == "functional":
        inputs = keras.Input((WIDTH,))
        x = inputs
        for part in parts[:-1]:
            x = part(x)
        return keras.Model(inputs, last(x + parts[-1](x)))

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts, self.last, self.scale = parts, last, recipe["steep"]

        def call(self, x: Any, training: bool = False) -> Any:
            for part in self.parts:
                x = part(x)
            return self.last(x * self.scale if training else x)

    return Net()


def _attention(layers: Any) -> Any:
    import keras

    class Attends(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.heads = layers.MultiHeadAttention(1, 2)

        def build(self, shape: Any) -> None:
            self.heads.build(shape, shape)

        def call(self, x: Any) -> Any:
            return self.heads(x, x)

    return Attends()


def _schedule(recipe: Recipe) -> Any:
    import keras

    rate, known, name = recipe["learning_rate"], keras.optimizers.schedules, recipe["schedule"]
    strength = recipe["strength"]

    class Slower(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return rate / (1 + strength * keras.ops.cast(step, keras.config.floatx()))

    return {
        None: lambda: rate,
        "ExponentialDecay": lambda: known.ExponentialDecay(rate, 3, 0.9),
        "InverseTimeDecay": lambda: known.InverseTimeDecay(rate, 3, 0.5),
        "PolynomialDecay": lambda: known.PolynomialDecay(rate, 5),
        "CosineDecay": lambda: known.CosineDecay(rate, 7),
        "PiecewiseConstantDecay": lambda: known.PiecewiseConstantDecay([2, 4], [rate, 0.1, 0.01]),
        "own": Slower,
        "function": lambda: lambda: rate,
    }[name]()


def optimizer(recipe: Recipe) -> Any:
    """Its optimizer."""
    import keras

    optimizers = keras.optimizers
    options = {**recipe["clip"], **recipe["average"]}

    class Signed(keras.optimizers.SGD):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, rate * keras.ops.tanh(gradient * recipe["gamma"]))

    if recipe["optimizer"] == "own":
        return Signed(_schedule(recipe), **options)
    if recipe["optimizer"] == "LossScaleOptimizer":
        return optimizers.LossScaleOptimizer(optimizers.SGD(_schedule(recipe)))
    if recipe["optimizer"] == "MultiOptimizer":
        rules = optimizers.OptimizerMap(optimizers.SGD(_schedule(recipe)))
        rules[".*bias"] = optimizers.Adam(_schedule(recipe))
        return optimizers.MultiOptimizer(rules)
    return getattr(optimizers, recipe["optimizer"])(_schedule(recipe), **options)


def loss(recipe: Recipe) -> Any:
    """What `compile` takes as its loss."""
    import keras

    gamma = recipe["gamma"]

    def focal(y: Any, q: Any) -> Any:
        right = keras.ops.sum(keras.ops.cast(y, q.dtype) * q, axis=-1)
        return -((1 - right) ** gamma) * keras.ops.log(right + 1e-7)

    class Apart(keras.losses.Loss):
        def call(self, y: Any, q: Any) -> Any:
            far = keras.ops.abs(keras.ops.cast(y, q.dtype) - q)
            return keras.ops.sum(far**gamma, axis=-1)

    if recipe["loss"] == "own":
        return focal
    return Apart() if recipe["loss"] == "own class" else getattr(keras.losses, recipe["loss"])()


def _metric(recipe: Recipe) -> Any:
    import keras

    gamma, name = recipe["gamma"], recipe["metric"]

    def sharp(y: Any, q: Any) -> Any:
        return keras.ops.mean(q**gamma, axis=-1)

    if name is None or name == "own":
        return None if name is None else sharp
    if name == "MeanMetricWrapper":
        return keras.metrics.MeanMetricWrapper(sharp)
    return getattr(keras.metrics, name)(**METRIC_ARGUMENTS.get(name, {}))


@cache
def samples() -> tuple[Any, Any]:
    """Inputs, and classes as numbers, in float64."""
    random = np.random.default_rng(11)
    x = random.normal(size=(ROWS + JUDGED, WIDTH))
    return x, (x[:, 0] > 0).astype("int64") + 2 * (x[:, 1] > 0)


def targets(recipe: Recipe) -> tuple[Any, Any]:
    """All samples, and their targets as the loss wants them."""
    x, y = samples()
    return x, y if recipe["loss"] in SPARSE else np.eye(CLASSES)[y]


def fit_options(recipe: Recipe) -> dict[str, Any]:
    """What `fit` is told, the data among it."""
    import keras

    x, y = targets(recipe)
    options: dict[str, Any] = {
        "x": x[:ROWS],
        "y": y[:ROWS],
        "batch_size": recipe["batch_size"],
        "shuffle": recipe["shuffle"],
        "callbacks": _callbacks(recipe),
        "epochs": 2,
        "verbose": 0,
    }
    if recipe["split"] == "data":
        options["validation_data"] = (x[ROWS:], y[ROWS:])
    elif recipe["split"] == "share":
        options["validation_split"] = 0.3
    if recipe["weights"] == "class":
        options["class_weight"] = {0: 2.0, 1: 0.5, 2: 1.0, 3: 1.5}
    elif recipe["weights"] == "sample":
        options["sample_weight"] = np.linspace(0.1, 2, ROWS)
    assert keras.config.floatx() == "float64"
    return options


def _callbacks(recipe: Recipe) -> list[Any]:
    import keras

    monitor = "val_loss" if recipe["split"] else "loss"

    class Slows(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kernel = self.model.layers[-1].weights[0]
            kernel.assign(kernel * recipe["rate"])

    class Watches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert logs is not None

    return {
        None: list,
        "early": lambda: [keras.callbacks.EarlyStopping(monitor, patience=0, baseline=0.01)],
        "plateau": lambda: [keras.callbacks.ReduceLROnPlateau(monitor, patience=0, min_delta=9.0)],
        "scheduler": lambda: [keras.callbacks.LearningRateScheduler(lambda e, r: r * 0.7)],
        "own": lambda: [Slows()],
        "batches": lambda: [Watches()],
    }[recipe["callback"]]()

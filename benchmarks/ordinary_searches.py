"""37 kinds of search that people write, each a declared Keras training of the digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers as L
from keras import optimizers as O

from tuner import Categorical, Experiment, Float, Int, KerasModel

SEARCHES: dict[str, Experiment] = {}
RATE = {"lr": Float(1e-4, 1e-1, log=True), "epochs": 5}
NAMED = {"adam": O.Adam, "sgd": O.SGD, "rms": O.RMSprop}
ONE_HOT: dict[str, Any] = {"targets": "one_hot", "loss": "categorical_crossentropy"}


def adam(trial: Any) -> Any:
    return O.Adam(trial["lr"])


def dense(trial: Any, *layers: Any) -> Any:
    ends = keras.Input(trial.data.input_shape), L.Dense(10, "softmax")
    return keras.Sequential([ends[0], L.Flatten(), *layers, ends[1]])


def image(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8)), *layers, L.Dense(10, "softmax")])


def base(trial: Any) -> Any:
    return dense(trial, L.Dense(64, "relu"))


def search(
    name: str,
    build: Callable[[Any], Any] = base,
    optimizer: Callable[[Any], Any] = adam,
    space: dict[str, Any] | None = None,
    mode: str = "search",
    **declared: Any,
) -> None:
    objective = KerasModel(build, optimizer, **declared)
    SEARCHES[name] = Experiment(
        name="reach", space={**RATE, **(space or {})}, objective=objective, mode=mode
    )


def functional(trial: Any, *names: str) -> Any:
    named = iter(names or [None] * 5)
    inputs = keras.Input(trial.data.input_shape, name=next(named))
    x = L.Dense(64, "relu", name=next(named))(L.Flatten(name=next(named))(inputs))
    return keras.Model(inputs, L.Dense(10, "softmax", name=next(named))(x), name=next(named))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.hidden, self.out = L.Flatten(), L.Dense(64, "relu"), L.Dense(10, "softmax")

    def call(self, x: Any) -> Any:
        return self.out(self.hidden(self.flat(x)))


class Taking(L.Layer):
    """A layer that takes a function, without get_config."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function, self.dense = function, L.Dense(64)

    def call(self, x: Any) -> Any:
        return self.function(self.dense(x))


def constant_schedule(trial: Any) -> Any:
    class Constant(O.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return trial["lr"]

    return O.SGD(Constant())


def adapted(trial: Any) -> Any:
    normal = L.Normalization()
    normal.adapt(trial.data.x_train.reshape(len(trial.data.x_train), -1))
    return dense(trial, normal, L.Dense(64, "relu"))


def everything(trial: Any) -> Any:
    layers = [
        layer
        for _ in range(trial["n"])
        for layer in (L.Dense(trial["u"], trial["a"]), L.Dropout(trial["d"]))
    ]
    return dense(trial, *layers)


def augmented(trial: Any) -> Any:
    changes = keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)])
    return image(L.Reshape((8, 8, 1)), changes, L.Flatten())


def hidden(*options: Any, **named: Any) -> Callable[[Any], Any]:
    """A dense network whose one hidden layer takes what a function of the trial gives."""
    return lambda t: dense(
        t, L.Dense(*(o(t) for o in options), **{k: v(t) for k, v in named.items()})
    )


def of(name: str) -> Callable[[Any], Any]:
    return lambda trial: trial[name]


def sixty_four(trial: Any) -> int:
    return 64


def relu(trial: Any) -> str:
    return "relu"


def l2(trial: Any) -> Any:
    return keras.regularizers.L2(trial["l2"])


def he(trial: Any) -> Any:
    return keras.initializers.HeNormal(seed=trial.seed)


def batch(params: Any) -> int:
    return int(params["batch_size"])


def smoothed(trial: Any) -> Any:
    return keras.losses.CategoricalCrossentropy(label_smoothing=trial["s"])


def orthogonal(trial: Any) -> Any:
    return image(L.LSTM(32, recurrent_initializer=keras.initializers.Orthogonal(seed=trial.seed)))


def deep(trial: Any) -> Any:
    return dense(trial, *(L.Dense(64, "relu") for _ in range(trial["n"])))


def wide(*units: int) -> Callable[[Any], Any]:
    return lambda trial: dense(trial, *(L.Dense(u, "relu") for u in units))


def conv(trial: Any) -> Any:
    return image(L.Reshape((8, 8, 1)), L.Conv2D(16, 3, activation="relu"), L.Flatten())


def chosen(trial: Any) -> Any:
    return NAMED[trial["o"]](trial["lr"])


BATCHES = {"batch_size": Categorical([32, 64, 128])}
search("lr only (Sequential)")
search("lr only (functional API)", functional)
search("lr only (functional, all named)", lambda t: functional(t, "i", "a", "f", "o", "m"))
search("lr only (subclassed)", lambda t: Subclassed())
search(
    "lr + momentum",
    optimizer=lambda t: O.SGD(t["lr"], momentum=t["m"]),
    space={"m": Float(0, 0.99)},
)
search("lr + batch_size of 3", space=BATCHES, batch_size=batch)
search("lr + units Int(16, 128)", hidden(of("u"), relu), space={"u": Int(16, 128)})
search("lr + units of 2", hidden(of("u"), relu), space={"u": Categorical([32, 64])})
search("lr + units of 4", hidden(of("u"), relu), space={"u": Categorical([16, 32, 64, 128])})
search("lr + layers 1..3", deep, space={"n": Int(1, 3)})
search(
    "lr + dropout rate",
    lambda t: dense(t, L.Dense(64, "relu"), L.Dropout(t["d"])),
    space={"d": Float(0, 0.5)},
)
search(
    "lr + l2",
    hidden(sixty_four, relu, kernel_regularizer=l2),
    space={"l2": Float(1e-6, 1e-2, log=True)},
)
search(
    "lr + activation of 3",
    hidden(sixty_four, of("a")),
    space={"a": Categorical(["relu", "tanh", "elu"])},
)
search(
    "lr + activation of 2", hidden(sixty_four, of("a")), space={"a": Categorical(["relu", "tanh"])}
)
search("lr + optimizer of 2", optimizer=chosen, space={"o": Categorical(["adam", "sgd"])})
search("lr + optimizer of 3", optimizer=chosen, space={"o": Categorical(["adam", "sgd", "rms"])})
search("lr + label smoothing", space={"s": Float(0, 0.3)}, targets="one_hot", loss=smoothed)
search(
    "lr + adam epsilon",
    optimizer=lambda t: O.Adam(t["lr"], epsilon=t["e"]),
    space={"e": Float(1e-8, 1e-3, log=True)},
)
search(
    "lr + clipnorm",
    optimizer=lambda t: O.Adam(t["lr"], clipnorm=t["c"]),
    space={"c": Float(0.1, 5.0)},
)
search(
    "lr + weight decay",
    optimizer=lambda t: O.AdamW(t["lr"], weight_decay=t["w"]),
    space={"w": Float(1e-5, 1e-1, log=True)},
)
search("lr, EarlyStopping", callbacks=lambda t: [keras.callbacks.EarlyStopping(patience=3)])
search("lr, metric objects AUC()", metrics=lambda t: [keras.metrics.AUC()], **ONE_HOT)
search("lr, metric 'AUC' string", metrics=("AUC",), **ONE_HOT)
search("lr, Dense(512)-Dense(256)", wide(512, 256))
search("lr, Dense(256)-Dense(256)", wide(256, 256))
search("lr, conv", conv)
search("lr, LSTM", lambda t: image(L.LSTM(32)))
search("lr, Bidirectional(LSTM)", lambda t: image(L.Bidirectional(L.LSTM(32))))
search("lr, TimeDistributed", lambda t: image(L.TimeDistributed(L.Dense(4)), L.Flatten()))
search("lr, nested Sequential augment", augmented)
search("lr, Normalization.adapt", adapted)
search("lr, initializer seeded", hidden(sixty_four, relu, kernel_initializer=he))
search("lr, recurrent initializer seeded", orthogonal)
search("lr, a layer taking a function", lambda t: dense(t, Taking(keras.ops.relu)))
search("lr, a schedule without get_config", optimizer=constant_schedule)
GRID = {"lr": Float(1e-3, 1.0, log=True, grid=[0.01, 0.1])}
search("lr, cv 3 folds", mode="cv", space=GRID)
search(
    "units, layers, dropout, activation, optimizer, batch",
    everything,
    chosen,
    {
        "n": Int(1, 3), "u": Int(16, 256), "a": Categorical(["relu", "tanh"]),
        "d": Float(0, 0.5), "o": Categorical(["adam", "sgd", "rms"]), **BATCHES,
    },
    batch_size=batch,
)  # fmt: skip

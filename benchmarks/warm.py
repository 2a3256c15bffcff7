"""What warm programs save: short trials as functions, and epochs of larger networks.

    python -m benchmarks.warm [--rows trials cnn lstm growth isolate]

`trials`: the digits, 9 epochs, as an ordinary function with `model.fit`, one after another in one
process on one thread: by plain `fit` and by programs, each point another. `cnn`, `lstm`: an epoch
of a network, batch 32 and 128. `growth`: memory over many trials by programs. CPU seconds of the
process, so that a busy machine counts little; each as a ratio in one run. `isolate`: what a fresh
process for each trial costs a whole run of such functions, in seconds from trial to trial.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import tuner
from tuner.search_space.axes import Categorical

if TYPE_CHECKING:
    import keras

    from tuner.trial.trial import Trial

TRIALS, EPOCHS, GROWTH = 12, 9, 500
SAMPLES = 4096


def main() -> None:
    """Print the rows that are asked for."""
    parser = argparse.ArgumentParser(description="Warm programs against plain fit.")
    names = ("trials", "cnn", "lstm", "growth", "isolate")
    parser.add_argument("--rows", nargs="+", choices=names, default=["trials", "cnn", "lstm"])
    rows = parser.parse_args().rows
    if "isolate" in rows:
        isolated()
    from tuner.training.process import limit_threads, warm_up

    limit_threads(1)
    warm_up()
    if "trials" in rows:
        short_trials()
    for name in ("cnn", "lstm"):
        if name in rows:
            epochs(name)
    if "growth" in rows:
        growth()


def short_trials() -> None:
    """Seconds a trial of a function that everybody writes."""
    data = digits()
    took = {}
    for name, holds in ways().items():
        seconds = [timed(partial(one_trial, number, data, holds)) for number in range(TRIALS)]
        first, took[name] = seconds[0], float(np.mean(seconds[3:]))
        print(f"short trials, {name:8s} first {first:.3f}, later {took[name]:.3f} CPU s a trial")
    print(f"short trials: {took['fit'] / took['program']:.1f} times fewer")


def one_trial(number: int, data: Any, holds: Callable[[], Any]) -> None:
    """Build, compile and fit a point of learning rate, momentum and dropout; clear up."""
    from tuner.training.process import clear_worker, seed_worker

    with holds():
        seed_worker(number)
        model = compiled(number)
        x, y, x_val, y_val = data
        model.fit(x, y, epochs=EPOCHS, verbose=0, validation_data=(x_val, y_val))
    del model
    clear_worker()


def compiled(number: int) -> keras.Model:
    """A point's model."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dropout(0.1 + 0.01 * number),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    optimizer = keras.optimizers.SGD(0.01 * (1 + number), momentum=0.5 + 0.02 * number)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def epochs(kind: str) -> None:
    """Seconds an epoch of a network, tracing aside."""
    import keras

    random = np.random.default_rng(0)
    x = random.random((SAMPLES, 28, 28), dtype="float32")
    y = random.integers(0, 10, SAMPLES)
    for batch in (32, 128):
        took = {}
        for name, holds in ways().items():
            model = network(kind)
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            clock = Clock()
            with holds():
                model.fit(
                    x, y, batch_size=batch, epochs=4, verbose=0,
                    callbacks=[keras.callbacks.LambdaCallback(
                        on_epoch_begin=clock.begin, on_epoch_end=clock.end
                    )],
                )  # fmt: skip
            took[name] = min(clock.seconds[1:])
        ratio = took["fit"] / took["program"]
        print(f"{kind}, batch {batch}: " + ", ".join(f"{n} {s:.2f}" for n, s in took.items()))
        print(f"{kind}, batch {batch}: {ratio:.2f} times less CPU an epoch")


def network(kind: str) -> Any:
    """A small convolutional or recurrent network for images of 28 x 28."""
    import keras
    from keras import layers

    body: list[Any] = [layers.LSTM(32)]
    if kind == "cnn":
        body = [
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
        ]
    return keras.Sequential([keras.Input((28, 28)), *body, layers.Dense(10, "softmax")])


def growth() -> None:
    """Memory of the process over many trials by programs, whose numbers all differ."""
    import psutil

    data = digits()
    for number in range(GROWTH):
        one_trial(number % 40, data, ways()["program"])
        if number % 100 in (0, 50):
            gc.collect()
            held = psutil.Process().memory_info().rss / 2**20
            print(f"growth, after {number + 1:3d} trials: {held:.0f} MB", flush=True)


def isolated() -> None:
    """Seconds from one trial's begin to the next one's: in one process, and in one for each."""
    took = {}
    for isolate in (False, True):
        with tempfile.TemporaryDirectory() as results:
            found = tuner.run(
                trained, space={"number": Categorical(range(TRIALS))}, epochs=EPOCHS, mode="grid",
                metric="val_accuracy", dataset=None, engine="ray_tune", isolate=isolate,
                concurrency=1, results=results, study="isolate",
            )  # fmt: skip
            began = found.trials["started_at"].sort_values().diff().dt.total_seconds()
        took[isolate] = float(began.iloc[3:].median())
        print(f"isolate {isolate!s:5s} {took[isolate]:.3f} s from trial to trial")
    print(f"isolate: {took[True] / took[False]:.1f} times as long")


def trained(trial: Trial) -> None:
    """A point as a function that tuner runs."""
    x, y, x_val, y_val = digits()
    model = compiled(trial["number"])
    model.fit(
        x, y, epochs=trial.epochs, verbose=0, validation_data=(x_val, y_val),
        callbacks=[trial.callback()],
    )  # fmt: skip


def ways() -> dict[str, Callable[[], Any]]:
    """Plain fit, and programs."""
    from tuner.programs.fit import warm

    return {"fit": nullcontext, "program": warm}


def digits() -> Any:
    """The digits: 1,150 samples to train on, 287 to validate."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x, y = (found.data / 16).astype("float32"), found.target.astype("int64")
    return x[:1150], y[:1150], x[1150:1437], y[1150:1437]


class Clock:
    """CPU seconds of each epoch."""

    def __init__(self) -> None:
        self.began, self.seconds = 0.0, list[float]()

    def begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.process_time()

    def end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.process_time() - self.began)


def timed(work: Callable[[], None]) -> float:
    """CPU seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()

"""The Keras callback behind `trial.callback()`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tuner.trial.cells import Cell
from tuner.trial.tf_internals import global_seed

if TYPE_CHECKING:
    import keras

RATE = "learning_rate"


class Keeps(Protocol):
    """What keeps the weights of the best trials."""

    def consider(
        self,
        cell: Cell,
        epoch: int,
        metrics: Mapping[str, Any],
        model: Callable[[], keras.Model],
        *,
        ended: bool,
    ) -> None: ...


class Reporting(Protocol):
    """What the callback needs of a trial."""

    last_epoch: int
    cell: Cell
    keeper: Keeps | None

    @property
    def seed(self) -> int: ...
    def end_if_stopped(self) -> None: ...
    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool: ...


def report_callback(trial: Reporting) -> keras.callbacks.Callback:
    """A callback that reports each epoch to the study and stops the fit when told.

    What is reported: all of Keras' logs of that epoch, and `learning_rate`, the rate that the
    optimizer's next update takes, for a schedule too, unless a metric of the user's own has its
    name. Epochs go on counting when `fit` is called
    again, and begin where `fit` does (`initial_epoch`, Keras' BackupAndRestore). A fit that starts
    after the study said stop ends the training function.
    """
    import keras

    _seed_tensorflow_once(trial.seed)

    class ReportCallback(keras.callbacks.Callback):  # type: ignore[misc]
        also: Mapping[str, float] = {}

        def __call__(self, also: Mapping[str, float] | None = None) -> ReportCallback:
            self.also = also or {}
            return self  # trial.callback() and trial.callback are one

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            trial.end_if_stopped()

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            metrics = {**(logs or {}), **self.also}
            optimizer = getattr(self.model, "optimizer", None)
            own = {*self.also, *_metric_names(self.model)}
            if optimizer is not None and RATE not in own:
                metrics[RATE] = float(optimizer.learning_rate)
            number = max(trial.last_epoch, epoch) + 1
            self.keep(number, metrics, ended=number == trial.cell.epochs)  # a report may pause it
            if trial.report(number, metrics):
                self.model.stop_training = True
                self.keep(number, metrics, ended=True)

        def keep(self, epoch: int, metrics: Mapping[str, Any], *, ended: bool) -> None:
            if trial.keeper is not None:
                trial.keeper.consider(trial.cell, epoch, metrics, lambda: self.model, ended=ended)

    return ReportCallback()


def _metric_names(model: keras.Model) -> Iterator[str]:
    """The names of a model's metrics, those that it was compiled with among them."""
    for metric in getattr(model, "metrics", ()):  # a model need not be Keras' own
        yield metric.name
        yield from (one.name for one in getattr(metric, "metrics", ()))


def _seed_tensorflow_once(seed: int) -> None:
    """Seed TensorFlow's data order, for the function that is its worker's first to import Keras.

    Every later one was seeded before it began, and one that seeded TensorFlow itself keeps that.
    """
    import tensorflow as tf

    if global_seed() is None:
        tf.random.set_seed(seed)

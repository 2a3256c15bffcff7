"""The Keras callback behind `trial.callback()`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tuner.trial.tf_internals import global_seed

if TYPE_CHECKING:
    import keras


class Reporting(Protocol):
    """What the callback needs of a trial."""

    last_epoch: int

    @property
    def seed(self) -> int: ...
    def end_if_stopped(self) -> None: ...
    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool: ...


def report_callback(trial: Reporting) -> keras.callbacks.Callback:
    """A callback that reports each epoch to the study and stops the fit when told.

    What is reported: all of Keras' logs of that epoch, and `learning_rate`, the rate that the
    optimizer's next update takes, for a schedule too. Epochs go on counting when `fit` is called
    again, and begin where `fit` does (`initial_epoch`, Keras' BackupAndRestore). A fit that starts
    after the study said stop ends the training function.
    """
    import keras

    _seed_tensorflow_once(trial.seed)

    class ReportCallback(keras.callbacks.Callback):  # type: ignore[misc]
        def __call__(self) -> ReportCallback:
            return self  # trial.callback() and trial.callback are one

        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            trial.end_if_stopped()

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            metrics = dict(logs or {})
            optimizer = getattr(self.model, "optimizer", None)
            if optimizer is not None:
                metrics["learning_rate"] = float(optimizer.learning_rate)
            if trial.report(max(trial.last_epoch, epoch) + 1, metrics):
                self.model.stop_training = True

    return ReportCallback()


def _seed_tensorflow_once(seed: int) -> None:
    """Seed TensorFlow's data order, for the function that is its worker's first to import Keras.

    Every later one was seeded before it began, and one that seeded TensorFlow itself keeps that.
    """
    import tensorflow as tf

    if global_seed() is None:
        tf.random.set_seed(seed)

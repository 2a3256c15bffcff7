"""A cell's work on a worker: `run_cell` runs a training function, or trains a `KerasModel`.

A declared model is trained by `model.fit` with a whole epoch as one execution, which gives the
numbers of a plain `fit` at a fraction of its time. The pieces (`build_model`, `optimizer_of`,
`loss_of`, ...) read a declaration for any engine.
"""

from __future__ import annotations

import gc
import math
import numbers
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.errors import ExperimentError, ReportError
from tuner.experiment import KerasModel, Objective
from tuner.failures import failure_text
from tuner.trial import Cell, Decision, Ending, Outcome, Trial, TrialStopped

if TYPE_CHECKING:
    import keras

    from tuner.folds import Data

VALIDATION_BATCH = 512
"""Validation goes in batches of at least this: it changes no number but by rounding."""

BATCH_HOOKS = tuple(
    f"on_{phase}batch_{end}" for phase in ("", "train_", "test_") for end in ("begin", "end")
)


def run_cell(
    objective: Objective,
    metric: str,
    cell: Cell,
    send: Callable[[int, dict[str, float], float], Decision],
    load_data: Callable[[], Data],
) -> Outcome:
    """Carry out one cell and say how it ended; the user's exceptions end here.

    `send(epoch, metrics, time_s)` carries a report to the study. A function that reported nothing
    may return a number, taken as `metric` at epoch 1, or a dict of metrics. `peak_rss_mb` is the
    highest memory of the worker's process since it started, so in a reused worker it never falls.
    `host` is left to the engine.
    """
    started = time.monotonic()
    trial = Trial(cell, send, load_data)
    ending, error = Ending.FINISHED, None
    try:
        if isinstance(objective, KerasModel):
            train_model(objective, trial)
        else:
            seed_worker(trial.seed)
            _report_returned(trial, metric, objective(trial))
    except TrialStopped:
        pass  # the study said stop and remembers it: the function ended as it should
    except (Exception, SystemExit) as raised:
        ending, error = Ending.RAISED, failure_text(raised)
    return Outcome(ending, error, time.monotonic() - started, _peak_rss_mb())


def train_model(declaration: KerasModel, trial: Trial) -> None:
    """Train a declared model as the user's own `fit` would, each epoch as one execution."""
    seed_worker(trial.seed, import_keras=True)
    data, epochs = trial.data, epochs_of(trial)
    model = build_model(declaration, trial)
    optimizer = optimizer_of(declaration, trial)
    callbacks = list(declaration.callbacks(trial)) if declaration.callbacks else []
    check_schedule(optimizer, callbacks)
    batch_size = batch_size_of(declaration, trial)
    whole_epoch = not any(hooks_batches(callback) for callback in callbacks)
    model.compile(
        optimizer=optimizer,
        loss=loss_of(declaration, trial),
        metrics=metrics_of(declaration, trial),
        steps_per_execution=math.ceil(len(data.x_train) / batch_size) if whole_epoch else 1,
    )
    model.fit(
        data.x_train,
        targets_of(declaration, data.y_train, data.n_classes),
        batch_size=batch_size,
        epochs=epochs,
        validation_data=(data.x_val, targets_of(declaration, data.y_val, data.n_classes)),
        validation_batch_size=max(batch_size, VALIDATION_BATCH),
        callbacks=[*callbacks, trial.callback()],
        verbose=0,
    )


def seed_worker(seed: int, *, import_keras: bool = False) -> None:
    """Seed every generator that a training may draw from: Python's, NumPy's, and Keras' own.

    Without `import_keras`, Keras and TensorFlow are seeded only where they are imported already:
    a function without a network must not pay for them.
    """
    seed_python(seed)
    if import_keras or "keras" in sys.modules:
        import keras

        keras.utils.set_random_seed(seed)


def seed_python(seed: int) -> None:
    """Seed Python's and NumPy's generators: all that initial weights depend on.

    Keras' initializers and dropout layers without a seed of their own draw one from Python's
    generator when they are made.
    """
    random.seed(seed)
    np.random.seed(seed)


def clear_worker() -> None:
    """Free what the last cell left behind, so that the next one starts as in a new process."""
    if "keras" in sys.modules:
        import keras

        keras.backend.clear_session(free_memory=False)
    gc.collect()


def build_model(declaration: KerasModel, trial: Trial) -> keras.Model:
    """The declared model with its initial weights, which depend on the trial's seed alone."""
    import keras

    seed_python(trial.seed)
    model = declaration.build(trial)
    if not isinstance(model, keras.Model):
        raise ExperimentError(f"build returned {model!r}, which is no Keras model")
    if model.compiled:
        raise ExperimentError(
            "build returned a compiled model; leave compile out, and declare optimizer, loss "
            "and metrics beside build"
        )
    if not model.built:
        model.build((None, *trial.data.x_train.shape[1:]))
    return model


def optimizer_of(declaration: KerasModel, trial: Trial) -> keras.optimizers.Optimizer:
    """The trial's own optimizer."""
    import keras

    optimizer = declaration.optimizer(trial)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ExperimentError(f"optimizer returned {optimizer!r}, which is no Keras optimizer")
    return optimizer


def epochs_of(trial: Trial) -> int:
    """How many epochs a declared model trains."""
    if trial.epochs is None:
        raise ExperimentError(
            "nothing says how many epochs to train; give an axis or a constant 'epochs', or --epochs"
        )
    return trial.epochs


def batch_size_of(declaration: KerasModel, trial: Trial) -> int:
    """Samples in a batch."""
    declared = declaration.batch_size
    size = declared(trial.params) if callable(declared) else declared
    if isinstance(size, bool) or not isinstance(size, numbers.Integral) or size < 1:
        raise ExperimentError(f"batch_size {size!r} must be a whole number of at least 1")
    return int(size)


def loss_of(declaration: KerasModel, trial: Trial) -> Any:
    """What `compile` takes as the loss."""
    return declaration.loss(trial) if callable(declaration.loss) else declaration.loss


def metrics_of(declaration: KerasModel, trial: Trial) -> list[Any]:
    """What `compile` takes as the metrics."""
    declared = declaration.metrics
    return list(declared(trial) if callable(declared) else declared)


def targets_of(declaration: KerasModel, y: Any, n_classes: int | None) -> Any:
    """Targets as the declared loss wants them: `y` itself, or float32 one-hot rows."""
    if declaration.targets == "labels":
        return y
    if n_classes is None:
        raise ExperimentError(
            "targets 'one_hot' needs class labels, and this dataset is a regression; take 'labels'"
        )
    return np.eye(n_classes, dtype=np.float32)[y]


def check_schedule(
    optimizer: keras.optimizers.Optimizer, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    """Refuse a callback that sets the learning rate of an optimizer built on a schedule.

    Keras raises TypeError in the middle of the fit; here it is ExperimentError before it.
    """
    import keras

    schedule = optimizer.get_config().get("learning_rate")
    if not isinstance(schedule, Mapping):  # Keras writes a schedule as a dict, a rate as a number
        return
    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    for callback in callbacks:
        if isinstance(callback, setters):
            raise ExperimentError(
                f"{type(callback).__name__} cannot set the learning rate of an optimizer built on "
                f"{schedule.get('class_name')}; give the optimizer a number, or drop the callback"
            )


def hooks_batches(callback: Any) -> bool:
    """Whether a callback wants to see every batch, so that an epoch must not be one execution.

    Keras' ModelCheckpoint and BackupAndRestore do so only with a `save_freq` other than "epoch",
    TensorBoard only with an `update_freq` other than "epoch" or a profile.
    """
    import keras

    known = keras.callbacks
    if type(callback) in (known.ModelCheckpoint, known.BackupAndRestore):
        return bool(callback.save_freq != "epoch")
    if type(callback) is known.TensorBoard:
        return bool(callback.update_freq != "epoch" or callback._should_trace)
    return any(
        getattr(getattr(callback, hook, None), "__func__", None) is not getattr(known.Callback, hook)
        for hook in BATCH_HOOKS
    )


def _report_returned(trial: Trial, metric: str, returned: Any) -> None:
    if trial.last_epoch > 0 or returned is None:
        return
    if isinstance(returned, Mapping):
        trial.report(1, returned)
    elif _is_number(returned):
        trial.report(1, {metric: float(returned)})
    else:
        raise ReportError(
            f"the training function reported nothing and returned {returned!r:.200}; "
            "report every epoch, or return a number or a dict of metrics"
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        return False
    scalar = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    return scalar and hasattr(value, "__float__")


def _peak_rss_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10

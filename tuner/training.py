"""A cell's work on a worker: `run_cell` runs a training function, or trains a `KerasModel`.

A declared model is trained by `model.fit` with a whole epoch as one execution, which gives the
numbers of a plain `fit` at a fraction of its time.
"""

from __future__ import annotations

import gc
import math
import numbers
import resource
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.checkpoint import CheckpointFile
from tuner.declaration import (
    batch_size_of,
    build_model,
    callbacks_of,
    check_schedule,
    create_variables,
    epochs_of,
    forget_builds,
    hooks_batches,
    loss_of,
    metrics_of,
    optimizer_of,
    seed_python,
    targets_of,
)
from tuner.errors import ReportError
from tuner.experiment import KerasModel, Objective
from tuner.failures import failure_text
from tuner.trial import Cell, Decision, Ending, Outcome, Trial, TrialStopped, checked_metrics
from tuner.whole_epoch import has_own_step, whole_epochs

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tuner.folds import Data


def run_cell(
    objective: Objective,
    metric: str,
    cell: Cell,
    send: Callable[[int, dict[str, float], float], Decision],
    load_data: Callable[[], Data],
    folder: Path | None = None,
    checkpoint_every: int | None = None,
) -> Outcome:
    """Carry out one cell and say how it ended; the user's exceptions end here.

    `send(epoch, metrics, time_s)` carries a report to the study. A function that reported nothing
    may return a number, taken as `metric`, or a dict of metrics: both come back as `returned`.
    `peak_rss_mb` is the highest memory of the worker's process since it started, so in a reused
    worker it never falls. `host` is left to the engine. `folder` becomes `trial.folder`; a declared
    model goes on from the checkpoint in it, and writes one every `checkpoint_every` epochs.
    """
    trial = Trial(cell, send, load_data, folder)
    checkpoint = CheckpointFile(folder, cell, "fit", checkpoint_every)
    ending, error, returned = Ending.FINISHED, None, None
    try:
        if isinstance(objective, KerasModel):
            train_model(objective, trial, checkpoint)
        else:
            seed_worker(trial.seed)
            returned = _returned_metrics(trial, metric, objective(trial))
    except TrialStopped:
        pass  # the study said stop and remembers it: the function ended as it should
    except (Exception, SystemExit) as raised:  # noqa: BLE001  # whatever a user's code raises
        ending, error = Ending.RAISED, failure_text(raised)
    checkpoint.remove()
    return Outcome(
        ending,
        error,
        trial.seconds,
        _peak_rss_mb(),
        returned=returned,
        read_epochs=trial.read_epochs,
    )


def train_model(
    declaration: KerasModel, trial: Trial, checkpoint: CheckpointFile | None = None
) -> keras.Model:
    """Train a declared model as the user's own `fit` would, each epoch as one execution.

    Returns the model as its last epoch left it. With a `checkpoint` it goes on from there, and
    keeps it up to date: the data's order is the same every epoch, and all else is in it. A model
    with a training step of its own has none, as nobody knows what that remembers.
    """
    seed_worker(trial.seed, import_keras=True)
    epochs, batch_size = epochs_of(trial), batch_size_of(declaration, trial)
    data = trial.data
    y_train = targets_of(declaration, data.y_train, data.n_classes)
    y_val = targets_of(declaration, data.y_val, data.n_classes)
    model = build_model(declaration, trial)
    optimizer = optimizer_of(declaration, trial)
    callbacks = callbacks_of(declaration, trial)
    check_schedule(optimizer, callbacks)
    model.compile(
        optimizer=optimizer,
        loss=loss_of(declaration, trial),
        metrics=metrics_of(declaration, trial),
    )
    create_variables(model, y_train)
    began, kept = 0, []
    if checkpoint is not None and not has_own_step(model):
        began, kept = go_on(model, trial, checkpoint), [keeping(model, trial, checkpoint)]
    if trial.should_stop:
        return model
    steps = math.ceil(len(y_train) / batch_size)
    watched = any(hooks_batches(callback) for callback in callbacks)
    with nullcontext() if watched else whole_epochs(model, steps):
        model.fit(
            data.x_train,
            y_train,
            batch_size=batch_size,
            epochs=epochs,
            initial_epoch=began,
            steps_per_epoch=steps,  # said, Keras makes one input pipeline an epoch and not two
            validation_data=batches(data.x_val, y_val, batch_size),
            callbacks=[*callbacks, trial.callback(), *kept],
            verbose=0,
        )
    return model


def go_on(model: keras.Model, trial: Trial, checkpoint: CheckpointFile) -> int:
    """Bring a compiled model, and its trial, to where a checkpoint left them; the epochs it had."""
    found = checkpoint.read(lambda: _state(model))
    if found is None:
        return 0
    for variable, value in zip(_variables(model), found.arrays, strict=True):
        variable.assign(value)
    trial.report_anew(found.reports)
    return found.epoch


def keeping(
    model: keras.Model, trial: Trial, checkpoint: CheckpointFile
) -> keras.callbacks.Callback:
    """A callback that writes the checkpoints of a training, after the epoch's report."""
    import keras

    def keep(epoch: int, logs: Mapping[str, Any] | None) -> None:
        if checkpoint.due(epoch + 1) and not trial.should_stop:
            checkpoint.write(trial.reports, _state(model))

    return keras.callbacks.LambdaCallback(on_epoch_end=keep)


def _variables(model: keras.Model) -> list[Any]:
    """All that Keras knows a compiled model to take from one epoch to the next."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [
        *model.trainable_variables,
        *model.non_trainable_variables,  # seeds among them
        *model.optimizer.variables,
    ]


def _state(model: keras.Model) -> list[Any]:
    return [variable.numpy() for variable in _variables(model)]


def batches(x: Any, y: Any, size: int) -> tf.data.Dataset:
    """(x, y) in order, in batches of `size` and a last one of what is left.

    Of arrays, Keras makes two pipelines at every validation, at 12 ms each; this one takes 0.5 ms.
    The batches stay the training's: recurrent layers with dropout draw a mask a batch here too.
    """
    import tensorflow as tf

    whole = len(x) // size * size
    parts = []
    if whole:
        stacked = [array[:whole].reshape(-1, size, *array.shape[1:]) for array in (x, y)]
        parts.append(tf.data.Dataset.from_tensor_slices(tuple(stacked)))
    if whole < len(x):
        parts.append(tf.data.Dataset.from_tensors((x[whole:], y[whole:])))
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    dataset = parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])
    return dataset.with_options(options)


def seed_worker(seed: int, *, import_keras: bool = False) -> None:
    """Seed every generator that a training may draw from: Python's, NumPy's, and Keras' own.

    Without `import_keras`, Keras and TensorFlow are seeded only where they are imported already:
    a function without a network must not pay for them.
    """
    seed_python(seed)
    if import_keras or "keras" in sys.modules:
        import keras

        keras.utils.set_random_seed(seed)


def clear_worker() -> None:
    """Free what the last cell left behind, so that the next one starts as in a new process.

    A graph that outlives its cell cannot be differentiated anew after this.
    """
    if "keras" in sys.modules:
        forget_builds()
        _forget_custom_gradients()
    gc.collect()


def _forget_custom_gradients() -> None:
    """Drop the gradients that traced graphs left in TensorFlow's registry.

    Each holds its graph, which is never freed otherwise: 3.4 MB and 5,500 objects a trial of a
    small MLP (tensorflow issue 97697). The registry has no public way to remove an entry.
    """
    from tensorflow.python.framework import ops

    registry = ops.gradient_registry._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]


def _returned_metrics(trial: Trial, metric: str, returned: Any) -> dict[str, float] | None:
    if trial.last_epoch > 0 or returned is None:
        return None
    if isinstance(returned, Mapping):
        return checked_metrics(returned)
    if _is_number(returned):
        return {metric: float(returned)}
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

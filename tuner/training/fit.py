"""A cell's work on a worker: `run_cell` runs a training function, or trains a `KerasModel`.

A declared model is trained by the `model.fit` that everybody writes; `programs` makes it fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.errors import EveryTrialError
from tuner.experiment.experiment import KerasModel
from tuner.programs.eligible import has_own_step
from tuner.training.checkpoint import CheckpointFile
from tuner.training.declared import (
    batch_size_of,
    build_model,
    callbacks_of,
    check_schedule,
    epochs_of,
    loss_of,
    metrics_of,
    optimizer_of,
    targets_of,
)
from tuner.training.inherit import check_shapes, handing_on, inherited, take_over
from tuner.training.process import seed_worker
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras


def train_model(
    declaration: KerasModel, trial: Trial, checkpoint: CheckpointFile | None = None
) -> keras.Model:
    """Train a declared model as the user's own `fit` would.

    Returns the model as its last epoch left it. With a `checkpoint` it goes on from there, and
    keeps it up to date: the data's order is the same every epoch, and all else is in it. A model
    with a training step of its own has none, as nobody knows what that remembers. A member of a
    population goes on from where its schedule ends.
    """
    folder, kin = None if checkpoint is None else checkpoint.folder, trial.cell.kin
    if kin is not None and kin.explored and not trial.cell.start:
        check_shapes(declaration, trial)
    state = inherited(declaration, trial, folder, train_model)
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
    began, before, kept = 0, [], []
    if kin is not None:
        check_step(model)
        before = [handing_on(trial)] if folder is not None else []
    if state is not None:
        take_over(model, state)
        began = kin.born if kin is not None else 0
    if checkpoint is not None and not has_own_step(model):
        began = go_on(model, trial, checkpoint) or began
        kept = [keeping(model, trial, checkpoint)]
    if trial.should_stop:
        return model
    model.fit(
        data.x_train,
        y_train,
        batch_size=batch_size,
        epochs=epochs,
        initial_epoch=began,
        validation_data=(data.x_val, y_val),
        callbacks=[*callbacks, *before, trial.callback(), *kept],
        verbose=0,
    )
    return model


def check_step(model: keras.Model) -> None:
    """Raises EveryTrialError for a member of a population whose weights and slots are not all."""
    if has_own_step(model):
        raise EveryTrialError(
            f"{type(model).__name__} has a training step of its own, and what that remembers cannot"
            " be copied to another trial",
            field="scheduler",
            way_out="leave the step to Keras, or take asha",
        )


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

"""A cell's network: built before it waits for a lane, and as it is in its lane."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tuner.engines.fused import members
from tuner.engines.fused.messages import Waiting
from tuner.engines.fused.worker_data import WorkerData
from tuner.experiment.experiment import KerasModel
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras

    from tuner.lanes.lanes import Lanes


def prepared(
    declaration: KerasModel,
    trial: Trial,
    data: WorkerData,
    unfit: Collection[Any],
    *,
    goes_on: bool,
) -> Waiting | None:
    """A cell that can wait for a lane; None for one that `fit` is to train.

    `unfit` are the forms that lanes could not have; `goes_on` is a cell that was set aside here or
    elsewhere. What the user's declaration raises comes out.
    """
    from tuner.lanes.rules import form, why_not
    from tuner.training.declared import batch_size_of, build_model, epochs_of

    cell = trial.cell
    state = None if goes_on else members.state_for(declaration, trial)
    model = build_model(declaration, trial)
    inherited = members.taken(model, state, trial)
    epochs_of(trial)
    lacks = bool(cell.kin and cell.kin.schedule) and not (inherited or goes_on)
    shape = form(declaration, trial, model)
    if lacks or shape in unfit or why_not(declaration, trial, model) is not None:
        return None
    return Waiting(
        trial=trial,
        model=model,
        form=shape,
        rows=data.rows(cell.fold),
        batch_size=batch_size_of(declaration, trial),
        inherited=inherited,
    )


def network_of(declaration: KerasModel, trial: Trial, lanes: Lanes, lane: int) -> keras.Model:
    """The network of a lane, as it is now."""
    from tuner.training.declared import build_model

    model = build_model(declaration, trial)
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    weights, others = lanes.program.weights(lane)
    for variable, value in zip(variables, [*weights, *others], strict=True):
        variable.assign(value)
    return model

"""Members of a population in lanes: what a lane takes over from another trial, and hands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.training.inherit import Arrays, State, check_shapes, read, take_weights, write

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel
    from tuner.lanes.lanes import Lanes
    from tuner.trial.trial import Trial


@dataclass(frozen=True)
class Inherited:
    """The optimizer's slots that a lane goes on from, after so many epochs."""

    slots: Arrays
    epochs: int


def state_for(declaration: KerasModel, trial: Trial) -> State | None:
    """What a trial goes on from; None where that is nobody's, or has to be trained again.

    Raises EveryTrialError where an explored axis changes the shapes of the weights.
    """
    kin = trial.cell.kin
    if kin is None or not kin.schedule:
        if kin is not None and kin.explored and not trial.cell.start:
            check_shapes(declaration, trial)
        return None
    last = kin.schedule[-1]
    return read(trial.folder.parent / str(last.trial), last.until)


def taken(model: keras.Model, state: State | None, trial: Trial) -> Inherited | None:
    """Give a trial's network the weights that it goes on from; what is left for its lane."""
    if state is None or trial.cell.kin is None:
        return None
    take_weights(model, state)
    return Inherited(state.slots, trial.cell.kin.born)


def hand_on(trial: Trial, epoch: int, model: keras.Model, lanes: Lanes, lane: int) -> None:
    """Keep a lane's weights where others may go on from this epoch."""
    weights = [variable.numpy() for variable in model.weights]
    write(trial.folder, trial.number, epoch, State(weights, lanes.slots(lane)))

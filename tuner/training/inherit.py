"""What a member of a population takes over from another: weights, and the optimizer's slots.

    files/<trial>/weights-<epoch>.npz       plain arrays; no pickle

A member writes its last such file before it pauses. A trial that goes on from it and finds none
(another host's disk, a run that was killed) trains it again: all that led to it is in its schedule.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tuner.errors import EveryTrialError, StudyError
from tuner.training.declared import build_model, forget_builds
from tuner.trial.cells import Decision
from tuner.trial.trial import Trial
from tuner.trial.weights_file import forget_weights, weights_file

if TYPE_CHECKING:
    import keras

    from tuner.experiment.experiment import KerasModel

WEIGHTS, SLOTS = "weights", "slots"

OTHER_SLOTS = "its optimizer has other slots than its parent's: they begin anew"

Arrays = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class State:
    """A network's weights, and its optimizer's variables but for the learning rate."""

    weights: Arrays
    slots: Arrays


def state_of(model: keras.Model) -> State:
    """What others may take over of a compiled model."""
    return State(_values(model.weights), _values(_slots(model)))


def take_over(model: keras.Model, state: State) -> None:
    """Give a compiled model what another had; its rates, seeds and all else remain its own.

    Slots of another kind of optimizer are left where they begin. Raises StudyError for weights of
    other shapes.
    """
    take_weights(model, state)
    slots = _slots(model)
    if shapes(_values(slots)) == shapes(state.slots):
        _assign(slots, state.slots)
    else:
        print(OTHER_SLOTS, flush=True)


def take_weights(model: keras.Model, state: State) -> None:
    """Give a model the weights. Raises StudyError where they have other shapes than its own."""
    own, theirs = shapes(_values(model.weights)), shapes(state.weights)
    if own != theirs:
        raise StudyError(
            f"the weights to go on from have the shapes {theirs}, and its own have {own}",
            field="explore",
            way_out="leave out the axes that change them",
        )
    _assign(model.weights, state.weights)


def check_shapes(declaration: KerasModel, trial: Trial) -> None:
    """Raises EveryTrialError where an explored axis changes the shapes of the weights."""
    kin = trial.cell.kin
    assert kin is not None
    own = _shapes_at(declaration, trial, dict(trial.cell.params))
    if _shapes_at(declaration, trial, dict(kin.other)) == own:
        return
    params = trial.cell.params
    changing = [
        name
        for name in kin.explored
        if name in params
        and _shapes_at(declaration, trial, {**params, name: kin.other[name]}) != own
    ]
    others = [name for name in kin.explored if name not in changing]
    raise EveryTrialError(
        f"{', '.join(map(repr, changing)) or 'a choice'} changes the shapes of the weights, which "
        "the trials of a population take over from each other",
        field="explore",
        way_out=f"it may explore: {','.join(others) or 'nothing of this space'}",
    )


def inherited(
    declaration: KerasModel,
    trial: Trial,
    folder: Path | None,
    train: Callable[[KerasModel, Trial], keras.Model],
) -> State | None:
    """What a trial goes on from, None where it begins: from its parent's file, or trained again.

    `folder` is the trial's own. Epochs that are trained again are kept as `trial.inherited`.
    """
    kin = trial.cell.kin
    if kin is None or not kin.schedule:
        return None
    *before, last = kin.schedule
    if folder is not None:
        found = read(folder.parent / str(last.trial), last.until)
        if found is not None:
            return found
        print(f"no weights of trial {last.trial} at epoch {last.until}: trained again", flush=True)

    def note(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        parent.inherited.append((epoch, metrics, time_s))
        return Decision.STOP if epoch == last.until else Decision.CONTINUE

    cell = replace(
        trial.cell,
        trial=last.trial,
        params=last.params,
        seed=last.seed,
        start=before[-1].until if before else 0,
        kin=replace(kin, schedule=tuple(before), explored=()),
    )
    parent = Trial(cell, note, lambda: trial.data, metric=trial.metric)
    state = state_of(train(declaration, parent))
    trial.inherited = parent.inherited
    return state


def is_due(trial: Trial, epoch: int) -> bool:
    """Whether others may go on from this epoch of a trial."""
    kin = trial.cell.kin
    due = kin is not None and kin.every is not None and epoch % kin.every == 0
    return due and epoch != trial.cell.epochs


def handing_on(trial: Trial) -> keras.callbacks.Callback:
    """A callback that keeps the weights of the epochs that others may go on from.

    It stands before the one that reports, which may pause the training.
    """
    import keras

    class HandingOn(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if is_due(trial, epoch + 1):
                write(trial.folder, trial.number, epoch + 1, state_of(self.model))

    return HandingOn()


def write(folder: Path, trial: int, epoch: int, state: State) -> None:
    """Keep a state in place of the trial's last one. A disk that takes no more ends no training."""
    from tuner.files import put_bytes

    members: dict[str, Any] = {
        f"{kind}{index}": array
        for kind, arrays in ((WEIGHTS, state.weights), (SLOTS, state.slots))
        for index, array in enumerate(arrays)
    }
    content = io.BytesIO()
    np.savez(content, **members)
    path = weights_file(folder, epoch)
    try:
        put_bytes(path, content.getvalue(), lasting=False)  # what is lost is trained again
    except OSError as error:
        print(f"no weights of epoch {epoch} are kept: {error}", flush=True)
        return
    forget_weights(folder.parent, trial, but=path)


def read(folder: Path, epoch: int) -> State | None:
    """The state that a trial kept at an epoch; None where there is none that can be read."""
    try:
        with (
            weights_file(folder, epoch).open("rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            kinds = {
                kind: sum(name.startswith(kind) for name in archive.files)
                for kind in (WEIGHTS, SLOTS)
            }
            weights, slots = (
                [archive[f"{kind}{index}"] for index in range(count)]
                for kind, count in kinds.items()
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return State(weights, slots)


def _slots(model: keras.Model) -> list[Any]:
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    rate = optimizer.learning_rate  # a variable, or what a schedule says now
    return [variable for variable in optimizer.variables if variable is not rate]


def _values(variables: Iterable[Any]) -> list[npt.NDArray[Any]]:
    return [variable.numpy() for variable in variables]


def _assign(variables: Iterable[Any], values: Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def shapes(arrays: Iterable[Any]) -> list[tuple[int, ...]]:
    """The shapes of arrays, or of tensors."""
    return [tuple(array.shape) for array in arrays]


def _shapes_at(
    declaration: KerasModel, trial: Trial, params: dict[str, Any]
) -> list[tuple[int, ...]]:
    """The shapes of the weights at a point."""
    cell = replace(trial.cell, params=params, kin=None)
    there = Trial(cell, lambda *report: Decision.CONTINUE, lambda: trial.data)
    model = build_model(declaration, there)
    found = shapes(model.weights)
    forget_builds()
    return found

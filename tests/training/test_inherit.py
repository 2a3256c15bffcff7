"""A trial goes on from another's weights, with parameters of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cells import Reports, cell, digits
from tuner.experiment.experiment import KerasModel
from tuner.training.inherit import read, state_of
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Ending, Kin, Outcome, Segment
from tuner.trial.trial import Trial
from tuner.trial.weights_file import weights_file

EPOCHS = 5


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(trial.data.x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(trial.get("units", 16), "relu"),
            layers.BatchNormalization(),
            layers.Dropout(trial["dropout"]),
            layers.Dense(10, "softmax"),
        ]
    )


def optimizer(trial: Trial) -> Any:
    import keras

    if trial.get("kind") == "adam":
        return keras.optimizers.Adam(trial["lr"])
    return keras.optimizers.SGD(trial["lr"], momentum=0.9)


MODEL = KerasModel(build=build, optimizer=optimizer, batch_size=lambda trial: trial["batch_size"])
FIRST = {"lr": 0.05, "dropout": 0.2, "batch_size": 32}
SECOND = {"lr": 0.01, "dropout": 0.4, "batch_size": 50}
THIRD = {"lr": 0.02, "dropout": 0.1, "batch_size": 32}


def member(number: int, params: dict[str, Any], *schedule: Segment, **kin: Any) -> Cell:
    """A cell of a population that exchanges weights after each epoch or two."""
    start = schedule[-1].until if schedule else 0
    given = Kin(schedule, kin.pop("every", 2), **kin)
    return replace(
        cell(params, epochs=EPOCHS, seed=number + 10), trial=number, start=start, kin=given
    )


def train(this: Cell, root: Path, stop_at: int | None = None) -> tuple[Outcome, Reports]:
    reports = Reports(stop_at)
    outcome = run_cell(MODEL, "val_accuracy", this, reports.send, digits, root / str(this.trial))
    clear_worker()
    return outcome, reports


def test_weights_from_a_file_and_from_training_the_schedule_again_give_the_same_numbers(
    tmp_path: Path,
) -> None:
    donor = member(0, FIRST)
    train(donor, tmp_path / "a", stop_at=2)
    kept = weights_file(tmp_path / "a" / "0", 2)
    assert kept.exists()
    child = member(7, SECOND, Segment(0, 2, FIRST, donor.seed))
    _, from_file = train(child, tmp_path / "a", stop_at=4)
    _, again = train(child, tmp_path / "b", stop_at=4)
    assert from_file.epochs == [3, 4]
    assert again.epochs == from_file.epochs
    assert again.metrics == from_file.metrics
    assert [m["learning_rate"] for m in again.metrics] == pytest.approx([0.01, 0.01])
    grandchild = member(9, THIRD, *child.kin.schedule, Segment(7, 4, SECOND, child.seed))  # type: ignore[union-attr]
    _, last = train(grandchild, tmp_path / "a")
    _, whole = train(grandchild, tmp_path / "c")
    assert last.epochs == [5]
    assert last.metrics == whole.metrics
    _, alone = train(member(11, SECOND), tmp_path / "d", stop_at=4)
    assert alone.metrics[2:] != again.metrics  # what was inherited tells


def test_a_schedule_of_one_trial_alone_is_that_trial() -> None:
    """Two segments of one point and seed differ from one in the seeds of dropout alone."""
    params = {**FIRST, "dropout": 0.0}
    whole = Reports()
    run_cell(MODEL, "val_accuracy", replace(member(0, params), seed=3), whole.send, digits)
    clear_worker()
    halves = Reports()
    child = replace(member(1, params, Segment(0, 2, params, 3)), seed=3)
    run_cell(MODEL, "val_accuracy", child, halves.send, digits)
    clear_worker()
    assert halves.metrics == whole.metrics[2:]


def test_the_slots_come_along_and_those_of_another_optimizer_begin_anew(tmp_path: Path) -> None:
    donor = member(0, FIRST)
    train(donor, tmp_path, stop_at=2)
    state = read(tmp_path / "0", 2)
    assert state is not None
    assert any(np.any(slot) for slot in state.slots[1:])
    child = member(7, {**SECOND, "kind": "adam"}, Segment(0, 2, FIRST, donor.seed))
    outcome, reports = train(child, tmp_path)
    assert outcome.ending is Ending.FINISHED
    assert reports.epochs == [3, 4, 5]
    assert reports.metrics[-1]["val_accuracy"] > 0.5


def test_an_axis_that_changes_the_shapes_is_refused_before_anything_trains(
    tmp_path: Path,
) -> None:
    point = {**FIRST, "units": 16}
    other = {"lr": 1.0, "dropout": 0.5, "units": 8, "batch_size": 32}
    explored = ("lr", "dropout", "units")
    outcome, reports = train(member(0, point, explored=explored, other=other), tmp_path)
    assert outcome.hopeless
    assert not reports.epochs
    assert outcome.error is not None
    assert "'units' changes the shapes of the weights" in outcome.error
    assert "it may explore: lr,dropout" in outcome.error
    fine, _ = train(
        member(0, point, explored=("lr",), other={**point, "lr": 1.0}), tmp_path, stop_at=1
    )
    assert fine.ending is Ending.FINISHED


def test_weights_of_other_shapes_end_the_trial_with_a_line(tmp_path: Path) -> None:
    donor = member(0, {**FIRST, "units": 8})
    train(donor, tmp_path, stop_at=2)
    child = member(7, SECOND, Segment(0, 2, donor.params, donor.seed))
    outcome, reports = train(child, tmp_path)
    assert outcome.ending is Ending.RAISED
    assert not reports.epochs
    assert "the weights to go on from have the shapes" in (outcome.error or "")


def test_a_file_that_is_cut_short_is_as_none(tmp_path: Path) -> None:
    donor = member(0, FIRST)
    train(donor, tmp_path, stop_at=4)
    path = weights_file(tmp_path / "0", 4)
    assert [p.name for p in path.parent.iterdir()] == [path.name]  # the earlier one is gone
    path.write_bytes(path.read_bytes()[:-100])
    assert read(tmp_path / "0", 4) is None
    assert read(tmp_path / "0", 2) is None


def test_state_of_leaves_out_the_learning_rate() -> None:
    import keras

    for rate in (0.1, keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), "mse")
        state = state_of(model)
        assert len(state.slots) == 3  # iterations, and a momentum for the kernel and the bias
    clear_worker()

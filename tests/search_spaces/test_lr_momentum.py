from __future__ import annotations

import subprocess
import sys

import pytest

from search_spaces.lr_momentum import EXPERIMENT, INITIALIZERS, build
from tests.cells import run, trial
from tuner.experiment.settle import epochs_are_budget, settle
from tuner.trial.cells import Ending

GOOD = {
    "learning_rate": 0.1,
    "momentum": 0.9,
    "nesterov": True,
    "decay": 0.001,
    "epochs": 6,
    "batch_size": 32,
    "initializer": "glorot_uniform",
}


def test_its_axes_are_the_course_labs() -> None:
    space = EXPERIMENT.space
    assert list(space) == list(GOOD)
    assert (space["learning_rate"].low, space["learning_rate"].high) == (1e-4, 1.0)
    assert (space["momentum"].low, space["momentum"].high) == (0.0, 0.99)
    assert (space["batch_size"].low, space["batch_size"].high) == (16, 256)
    assert space["learning_rate"].log
    assert space["batch_size"].log
    assert list(space["initializer"].choices) == INITIALIZERS
    assert all(axis.grid for axis in space.values())
    assert epochs_are_budget(EXPERIMENT)
    assert settle(EXPERIMENT, {"epochs": 10}).space["epochs"].value == 10


def test_a_good_point_learns_the_digits() -> None:
    outcome, reports = run(EXPERIMENT.objective, GOOD, epochs=6)
    assert outcome.error is None
    assert reports.epochs == [1, 2, 3, 4, 5, 6]
    assert reports.metrics[-1]["val_accuracy"] > 0.85
    updates = 6 * 10  # 300 samples in batches of 32
    rate = reports.metrics[-1]["learning_rate"]
    assert rate == pytest.approx(0.1 / (1 + 0.001 * updates), rel=1e-5)


@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_initializer_builds_the_network(initializer: str) -> None:
    model = build(trial({**GOOD, "initializer": initializer}))
    assert [layer.units for layer in model.layers[1:]] == [64, 64, 10]
    assert model.count_params() == 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10


def test_a_learning_rate_of_a_million_diverges_in_the_first_epoch() -> None:
    outcome, reports = run(EXPERIMENT.objective, {**GOOD, "learning_rate": 1e6}, epochs=1)
    assert outcome.ending is Ending.FINISHED
    assert reports.metrics[0]["loss"] != reports.metrics[0]["loss"]


def test_its_import_is_light() -> None:
    code = (
        "import sys; import search_spaces.lr_momentum;"
        "print(sorted({'keras', 'tensorflow', 'ray', 'pandas', 'optuna'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""The simplest of those that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.brain import experiment, simulate
from tuner.engines.simulated import Step
from tuner.errors import StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.search_space.axes import Categorical
from tuner.store.study_json import describe
from tuner.trial.cells import Cell

ERROR = 0.1 / 2**0.5
"""Of three folds' mean: the folds lie -.1, 0 and .1 from it."""


def crossed(folder: Path, *, sizes: bool, **fields: Any) -> tuner.Results:
    """A cross-validation of four units, whose trials with more units end better by .05 each."""
    space = {"units": Categorical([1, 2, 3, 4]), "epochs": 1}
    settled = experiment(
        **{"mode": "cv", "space": space, "sampler": "grid", "scheduler": "none", **fields}
    )
    loaded = Loaded(settled, Source("object", __name__))
    describe(loaded, settled, None, name="crossed").write(folder)

    def curve(cell: Cell) -> Iterator[Step]:
        units = cell.params["units"]
        value = 0.5 + 0.05 * units + (cell.fold - 1) * 0.1
        size = {"parameters": 10.0 * abs(units - 3)} if sizes else {}
        yield Step(1, {"val_accuracy": value, **size})

    simulate(settled, curve, folder=folder)
    return tuner.load(folder)


def test_the_smallest_within_one_standard_error_is_chosen(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=True)
    assert results.best is not None
    assert results.best.params["units"] == 4
    chosen = results.one_se()
    assert chosen.params["units"] == 3  # 2 and 1 lie .1 and .15 below, more than ERROR
    assert results.best.value - ERROR <= chosen.value < results.best.value


def test_without_sizes_epochs_decide_and_of_equals_the_better_one_is(tmp_path: Path) -> None:
    assert crossed(tmp_path, sizes=False).one_se().params["units"] == 4


def test_one_training_has_no_standard_error(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=False, mode="grid")
    with pytest.raises(StudyError, match="one training, and so no standard error"):
        results.one_se()

"""The simplest of those that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuner
from tests.brain import experiment, simulate
from tests.engines.jobs import job
from tuner.cluster.session import Runtime
from tuner.engines.shipping import shipment
from tuner.engines.simulated import Step
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.loading import Loaded, Source
from tuner.runner.best_weights import keep_best
from tuner.search_space.axes import Categorical
from tuner.store.layout import MODELS_FOLDER
from tuner.store.study_json import describe
from tuner.study.study import Study
from tuner.training.kept_models import model_file
from tuner.trial.cells import Cell

ERROR = 0.1 / 2**0.5
"""Of three folds' mean: the folds lie -.1, 0 and .1 from it."""


def crossed(folder: Path, *, sizes: bool, **fields: Any) -> tuner.Results:
    """What the tables of `simulated` say."""
    simulated(folder, sizes=sizes, **fields)
    return tuner.load(folder)


def simulated(folder: Path, *, sizes: bool, **fields: Any) -> Study:
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

    return simulate(settled, curve, folder=folder)


def test_the_smallest_within_one_standard_error_is_chosen(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=True)
    assert results.best is not None
    assert results.best.params["units"] == 4
    chosen = results.one_se()
    assert chosen.params["units"] == 3  # 2 and 1 lie .1 and .15 below, more than ERROR
    assert results.best.value - ERROR <= chosen.value < results.best.value


def test_without_sizes_epochs_decide_and_of_equals_the_better_one_is(tmp_path: Path) -> None:
    assert crossed(tmp_path, sizes=False).one_se().params["units"] == 4


def test_what_the_user_says_is_simpler_is_taken(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=True)  # 4 and 3 units are equals
    assert results.one_se(simplest="units").params["units"] == 3
    assert results.one_se(simplest="-units").params["units"] == 4
    assert results.one_se(simplest="parameters").params["units"] == 3
    with pytest.raises(StudyError, match="simplest: 'unit' is neither a parameter nor a metric"):
        results.one_se(simplest="unit")


def test_where_it_is_chosen_it_is_the_best_and_says_why(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=True, choose="one_se")
    assert results.best is not None
    assert results.best.params["units"] == 3
    assert results.choice == (
        2,
        "one_se",
        "trial 2, the simplest (parameters 0) of 2 within one standard error, 0.058, of the best "
        "value, 0.7000 of trial 3",
    )
    assert "trial 2, one_se)" in repr(results)


def test_the_weights_that_are_kept_are_those_of_the_simplest(tmp_path: Path) -> None:
    points = [{"units": units} for units in (1, 2, 3, 4)]
    study = simulated(
        tmp_path, sizes=True, choose="one_se", mode="search", repeats=3, sampler="random",
        first=points, trials=4,
    )  # fmt: skip
    best = tuner.load(tmp_path).best
    assert best is not None
    assert best.trial != study.ranked()[0].trial
    keeping = shipment(job(study, files=tmp_path / "files"), Runtime(1, 1.0, 0.0, 1.0)).keeping
    assert keeping is not None
    assert keeping.count == 4  # a worker cannot know which it will be
    folder = tmp_path / MODELS_FOLDER
    folder.mkdir()
    for trial in range(4):
        model_file(folder, trial).write_bytes(b"weights")
    said = keep_best(study, tmp_path, lambda host, file: None)
    assert said is not None
    assert f"weights of trial {best.trial} are kept" in said
    assert [file.stem for file in folder.iterdir()] == [str(best.trial)]


def test_a_rule_that_does_not_hold_is_said_and_the_best_value_is_taken(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=False, choose="one_se", simplest="size")
    assert results.best is not None
    assert results.best.params["units"] == 4
    assert results.choice is not None
    assert results.choice.why.startswith("trial 3, by its value: simplest: 'size' is neither")


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"mode": "grid", "choose": "one_se"}, "choose: 'one_se' takes the error over"),
        ({"mode": "cv", "simplest": "x"}, "simplest: 'x' tells who is the simplest of equals"),
        ({"mode": "cv", "choose": "one_se", "confirm": 2}, "choose: 'one_se' takes the simplest"),
        ({"mode": "cv", "choose": "1se"}, "choose: '1se' is not one of best, one_se"),
        (
            {"mode": "cv", "choose": "one_se", "simplest": "-kind"},
            "simplest: '-kind' has choices that are not numbers",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], line: str) -> None:
    space = {"x": Categorical([1, 2]), "kind": Categorical(["a", "b"]), "epochs": 1}
    with pytest.raises(ExperimentError, match=line):
        experiment(space=space, **{"sampler": "grid", "scheduler": "none", "mode": "cv", **fields})


def test_one_training_has_no_standard_error(tmp_path: Path) -> None:
    results = crossed(tmp_path, sizes=False, mode="grid")
    with pytest.raises(StudyError, match="one training, and so no standard error"):
        results.one_se()

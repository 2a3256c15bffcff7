"""What follows from a mode for the fields that are declared beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brain import never
from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.search_space.axes import Float, Int
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace

DECLARED = Experiment(
    "declared",
    {"x": Float(0, 1, grid=[0.5]), "epochs": Int(4, 20, grid=[5, 10, 20])},
    never,
    learn_from="results/earlier",
)


@pytest.mark.parametrize(("most", "trained"), [(10, [5, 10]), (7, [5]), (3, [3]), (4, [4])])
def test_a_grid_has_the_epochs_that_it_lists_up_to_the_most(most: int, trained: list[int]) -> None:
    settled = settle(DECLARED, {"mode": "grid", "epochs": most})
    points = grid_points(SearchSpace(settled.space))
    assert [point["epochs"] for point in points] == trained


@pytest.mark.parametrize("mode", ["grid", "cv"])
def test_whom_to_learn_from_holds_in_a_search_unless_it_is_typed(mode: str) -> None:
    assert settle(DECLARED, {}).learn_from == ("results/earlier",)
    assert settle(DECLARED, {"learn_from": ""}).learn_from is None
    assert settle(DECLARED, {"learn_from": [""]}).learn_from is None
    assert settle(DECLARED, {"mode": mode}).learn_from is None
    assert settle(DECLARED, {"mode": "grid", "learn_from": Path("x")}).learn_from == ("x",)


def test_the_weights_of_all_leaders_are_kept_if_any_are() -> None:
    assert settle(DECLARED, {"confirm": 3}).keep_models == 3
    assert settle(DECLARED, {"confirm": 3, "keep_models": 5}).keep_models == 5
    assert settle(DECLARED, {"confirm": 3, "keep_models": 0}).keep_models == 0


def test_folds_teach_nobody() -> None:
    with pytest.raises(ExperimentError, match="learn_from: a trial of several folds or repeats"):
        settle(DECLARED, {"mode": "cv", "learn_from": "x"})

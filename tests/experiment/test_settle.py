"""What follows from a mode for the fields that are declared beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.brain import never
from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import USUAL, settle
from tuner.search_space.axes import Axis, Categorical, Constant, Float, Int
from tuner.search_space.grid import grid_points
from tuner.search_space.set_option import set_axes
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


@pytest.mark.parametrize(
    ("axis", "scheduler", "settled"),
    [
        (Int(1, 20, default=9), "none", Int(1, 5)),
        (Int(1, 20, default=4), "none", Int(1, 5, default=4)),
        (Int(1, 20, default=9), "asha", Constant(5)),
        (Int(10, 50, step=10), "none", Int(5, 5, step=10)),
        (Int(2, 50, step=10), "none", Int(2, 2, step=10)),
        (Int(1, 50, step=2), "none", Int(1, 5, step=2)),
        (Int(2, 50, step=2), "asha", Constant(5)),
        (Categorical([2, 5, 20]), "none", Categorical([2, 5])),
        (Categorical([10, 20], default=20), "none", Categorical([5])),
        (Categorical([2, 20], default=2), "none", Categorical([2], default=2)),
        (Categorical([2, 4, 20]), "asha", Constant(5)),
        (Constant(9), "none", Constant(5)),
    ],
)
def test_the_most_epochs_hold_whatever_the_axis_is(
    axis: Axis, scheduler: str, settled: Axis
) -> None:
    declared = Experiment("most", {"epochs": axis}, never, scheduler=scheduler)
    assert settle(declared, {"epochs": 5}).space["epochs"] == settled


def test_epochs_that_are_listed_are_a_budget_too() -> None:
    declared = Experiment("listed", {"epochs": Categorical([5, 20, 10])}, never)
    assert settle(declared, {}).space["epochs"] == Constant(20)
    assert settle(declared, {"sample_epochs": True}).space["epochs"] == Categorical([5, 20, 10])


def test_first_points_lose_what_a_narrower_space_does_not_hold() -> None:
    space = {"x": Float(0, 1), "k": Categorical(["a", "b"]), "y": Float(0, 1, when={"k": "b"})}
    space |= {"epochs": Int(1, 20)}
    first: list[dict[str, Any]] = [
        {"x": 0.9, "k": "b", "y": 0.3},
        {"x": 0.1, "epochs": 9},
        {"epochs": 15},
    ]
    declared = Experiment("first", space, never, first=first, scheduler="none")
    narrowed = set_axes(SearchSpace(space), ["x=0..0.5", "k=a"])
    settled = settle(declared, {"space": narrowed, "epochs": 5})
    assert settled.first == ({"x": 0.1},)


def test_a_first_point_must_not_contradict_a_constant() -> None:
    space = {"x": Float(0, 1), "hidden": 64}
    assert Experiment("same", space, never, first=[{"x": 0.5, "hidden": 64.0}]).first
    with pytest.raises(ExperimentError, match="first: point 0 has hidden = 128, which is 64 in"):
        Experiment("other", space, never, first=[{"x": 0.5, "hidden": 128}])


def test_numbers_of_numpy_are_numbers() -> None:
    given: dict[str, Any] = {"trials": np.int64(5), "weight": np.float32(2), "shuffle": np.True_}
    made = Experiment("numbers", {"x": Float(0, 1)}, never, **given)
    assert [type(getattr(made, name)) for name in given] == [int, float, bool]
    with pytest.raises(ExperimentError, match=r"trials: 5\.0 must be a whole number"):
        Experiment("numbers", {"x": Float(0, 1)}, never, trials=np.float64(5))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["simplest", "description"])
def test_a_text_is_a_text(name: str) -> None:
    given: Any = {name: 5}
    with pytest.raises(ExperimentError, match=f"{name}: 5 must be a text"):
        Experiment("text", {"x": Float(0, 1)}, never, **given)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"members": 8}, "members: 8 would be read by `scheduler` pbt alone; add `scheduler` pbt"),
        ({"interval": 2}, "interval: 2 would be read by `scheduler` pbt alone"),
        ({"explore": "x"}, r"explore: \('x',\) would be read by `scheduler` pbt alone"),
        ({"min_gain": 0.1}, "min_gain: 0.1 would be read by `stop` converged alone"),
        ({"confirm_seeds": 3}, "confirm_seeds: 3 would be read by `confirm` alone"),
    ],
)
def test_what_nothing_would_read_is_refused(typed: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        settle(DECLARED, typed)
    settle(DECLARED, {name: USUAL[name] for name in typed})
    settle(replace(DECLARED, **typed), {})  # a file may hold it for another run


def test_what_is_read_is_taken() -> None:
    assert settle(DECLARED, {"confirm": 2, "confirm_seeds": 3}).confirm_seeds == 3
    assert settle(DECLARED, {"stop": "converged", "min_gain": 0.1}).min_gain == 0.1

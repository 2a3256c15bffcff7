"""Points beside a point: what a population tries next."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.explore import drawn, elsewhere, explorable, explored
from tuner.search_space.space import SearchSpace

SPACE = SearchSpace(
    {
        "optimizer": Categorical(["sgd", "adam"]),
        "lr": Float(1e-4, 1.0, log=True),
        "momentum": Float(0.0, 0.95, step=0.05, when={"optimizer": "sgd"}),
        "batch_size": Categorical([64, 16, 32]),
        "patience": Int(1, 9, step=2),
        "epochs": Int(1, 9),
        "hidden": 64,
    }
)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_an_explored_point_lies_in_the_space(seed: int, resample: float) -> None:
    random = np.random.default_rng(seed)
    point = SPACE.draw(lambda name, axis: drawn(axis, random))
    axes = explorable(SPACE)
    beside = explored(SPACE, point, axes, random, resample=resample, factors=(0.8, 1.2))
    assert SPACE.decode(SPACE.encode(beside)) == beside
    assert beside["epochs"] == point["epochs"]


def test_numbers_move_by_a_factor_and_ordered_values_to_a_neighbour() -> None:
    point = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.5, "batch_size": 32, "patience": 3}
    point |= {"epochs": 5, "hidden": 64}
    seen: dict[str, set[object]] = {name: set() for name in point}
    for seed in range(40):
        random = np.random.default_rng(seed)
        beside = explored(SPACE, point, explorable(SPACE), random, resample=0.0, factors=(0.8, 1.2))
        for name, value in beside.items():
            seen[name].add(round(value, 9) if isinstance(value, float) else value)
    assert seen["lr"] == {0.08, 0.12}
    assert seen["momentum"] == {0.4, 0.6}
    assert seen["batch_size"] == {16, 64}
    assert seen["patience"] == {1, 5}
    assert seen["optimizer"] == {"sgd"}
    assert seen["epochs"] == {5}
    assert seen["hidden"] == {64}


def test_what_is_not_explored_stays_and_what_is_clipped_stays_in_range() -> None:
    point = {"optimizer": "sgd", "lr": 0.95, "momentum": 0.95, "batch_size": 64, "patience": 9}
    point |= {"epochs": 5, "hidden": 64}
    random = np.random.default_rng(0)
    up = explored(SPACE, point, ["lr", "momentum"], random, resample=0.0, factors=(1.2,))
    assert up == {**point, "lr": 1.0}


def test_elsewhere_moves_each_axis_far_from_where_it_is() -> None:
    point = {"optimizer": "adam", "lr": 0.9, "batch_size": 32, "patience": 3}
    point |= {"epochs": 5, "hidden": 64}
    there = elsewhere(SPACE, point, ["optimizer", "lr", "batch_size"])
    assert SPACE["momentum"].holds(there.pop("momentum"))  # it exists with sgd alone
    assert there == {**point, "optimizer": "sgd", "lr": 1e-4, "batch_size": 64}


def test_the_number_of_epochs_and_constants_are_not_explorable() -> None:
    assert explorable(SPACE) == ("optimizer", "lr", "momentum", "batch_size", "patience")

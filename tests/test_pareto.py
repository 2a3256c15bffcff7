"""Fronts, an order of all by them, and the volume that a front dominates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.pareto import Array, epsilon_net, front, hypervolume, order

ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25
).map(lambda rows: np.array(rows, float))


def dominates(one: Array, other: Array) -> bool:
    return bool((one <= other).all() and (one < other).any())


@given(ROWS)
def test_a_front_is_what_nothing_dominates(losses: Array) -> None:
    alone = [at for at, row in enumerate(losses) if not any(dominates(o, row) for o in losses)]
    assert front(losses).tolist() == alone


@given(ROWS, st.integers(1, 25))
def test_who_dominates_comes_before_whom_it_dominates(losses: Array, count: int) -> None:
    whole = order(losses, np.zeros(len(losses)))
    assert sorted(whole) == list(range(len(losses)))
    place = {at: rank for rank, at in enumerate(whole)}
    for at, row in enumerate(losses):
        assert all(place[at] > place[o] for o, other in enumerate(losses) if dominates(other, row))
    assert order(losses, np.zeros(len(losses)), count) == whole[:count]


def test_the_infeasible_come_last_the_nearest_to_feasible_first() -> None:
    losses = np.array([[0.0, 0.0], [5.0, 5.0], [1.0, 1.0]])
    assert order(losses, np.array([2.0, 0.0, 0.5])) == [1, 2, 0]


def test_an_epsilon_net_takes_first_what_stands_apart() -> None:
    losses = np.array([[0.0, 1.0], [0.1, 0.9], [0.5, 0.5], [1.0, 0.0]])
    assert epsilon_net(losses) == [0, 3, 2, 1]


def test_the_volume_of_a_front_is_that_of_the_boxes_together() -> None:
    assert hypervolume(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0]]), np.array([3.0, 3.0])) == 3.0
    assert hypervolume(np.array([[4.0, 0.0]]), np.array([3.0, 3.0])) == 0.0
    assert hypervolume(np.array([[1.0], [2.0]]), np.array([3.0])) == 2.0


@given(ROWS)
def test_a_volume_in_three_goals_is_the_share_of_the_cells_that_are_dominated(
    losses: Array,
) -> None:
    cells = np.stack(np.meshgrid(*[np.arange(6)] * 3), axis=-1).reshape(-1, 3)
    below = np.all(losses[None] <= cells[:, None], axis=2)
    dominated = np.any(below, axis=1).sum()
    assert hypervolume(losses, np.full(3, 6.0)) == pytest.approx(dominated)

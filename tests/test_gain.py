"""What more trials would still gain, by the values of those that there are."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.gain import FEWEST, MORE, TRAININGS, Outlook, expected_best, expected_gain, outlook

LOSSES = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=FEWEST, max_size=60)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=7), st.integers(1, 7))
def test_the_best_of_some_draws_is_the_mean_over_all_ways_to_draw_them(
    losses: list[int], draws: int
) -> None:
    draws = min(draws, len(losses))
    every = [min(drawn) for drawn in itertools.combinations(losses, draws)]
    found = expected_best(np.array(losses, float), draws)
    assert found == pytest.approx(sum(every) / len(every))


@given(LOSSES, st.floats(0.1, 10), st.floats(-10, 10))
def test_a_gain_is_never_negative_and_scales_with_the_metric(
    losses: list[float], scale: float, shift: float
) -> None:
    gain = expected_gain(losses)
    assert gain >= 0
    moved = expected_gain([scale * loss + shift for loss in losses])
    assert moved == pytest.approx(scale * gain, abs=1e-6)


@given(LOSSES, st.integers(1, 40), st.integers(0, 40))
def test_more_trials_never_gain_less(losses: list[float], more: int, still: int) -> None:
    assert expected_gain(losses, more) <= expected_gain(losses, more + still) + 1e-12


@given(LOSSES, st.integers(1, 10))
def test_what_came_to_nothing_counts_as_the_worst(losses: list[float], lost: int) -> None:
    at_worst = expected_gain(losses + [max(losses)] * lost)
    assert expected_gain(losses + [math.inf] * lost) == at_worst


def test_too_few_values_say_nothing() -> None:
    few = outlook([0.5] * (FEWEST - 1) + [math.inf] * 50, trainings=100)
    assert few.gain == math.inf
    assert not few.converged
    assert str(few) == "too early to say what another 20 trials would gain"


def test_equal_values_promise_nothing() -> None:
    assert outlook([0.5] * 21, trainings=TRAININGS).converged


def test_before_twenty_trainings_nothing_has_converged() -> None:
    assert not outlook([0.5] * 200, trainings=TRAININGS - 0.01).converged


def test_the_least_gain_decides() -> None:
    losses = [1 / trial for trial in range(100, 1, -1)]
    losses = losses[50:] + losses[:50]  # the newest have gained nothing
    gain = expected_gain(losses)
    assert outlook(losses, 50, least=gain).converged
    assert not outlook(losses, 50, least=gain / 2).converged


def test_on_random_draws_it_says_what_comes() -> None:
    rng = np.random.default_rng(5)
    draws = (rng.random((300, 100 + MORE, 3)) ** 2).sum(-1)  # a bowl in three dimensions
    said = np.mean([expected_gain(row.tolist()) for row in draws[:, :100]])
    came = np.mean(draws[:, :100].min(1) - draws.min(1))
    assert came / 2 < said < came * 2


def test_while_the_newest_trials_gain_it_has_not_converged() -> None:
    losses = [0.5 + trial / 1000 for trial in range(200)]
    assert outlook(losses, 50, least=0.01).converged
    assert not outlook([*losses, 0.4], 50, least=0.01).converged
    assert outlook([*losses, 0.4, *losses[:MORE]], 50, least=0.01).converged


def test_it_says_so_in_words() -> None:
    assert str(Outlook(0.00123, 0.0, 0.0, 30)) == "another 20 trials would gain about 0.0012"

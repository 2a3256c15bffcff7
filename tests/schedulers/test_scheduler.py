"""ASHA's rule as a pure function, its rungs, its windows, and what a retry withdraws."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tuner.schedulers.asha import Asha, goes_on
from tuner.trial.cells import Decision

losses = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(losses, st.integers(2, 5), st.data())
def test_exactly_the_best_share_goes_on_and_ties_with_it(
    values: list[float], eta: int, data: st.DataObject
) -> None:
    loss = data.draw(st.sampled_from(values))
    ordered = sorted(values)
    strictly_better = sum(other < loss for other in values)
    assert goes_on(ordered, loss, eta) == (strictly_better < max(1, len(values) // eta))


@given(losses, st.integers(2, 5))
def test_the_best_always_goes_on(values: list[float], eta: int) -> None:
    assert goes_on(sorted(values), min(values), eta)


@given(losses, st.integers(2, 5))
def test_nan_never_goes_on(values: list[float], eta: int) -> None:
    assert not goes_on(sorted(values), math.nan, eta)


def test_rungs_stand_at_powers_of_eta_below_the_last_epoch() -> None:
    asha = Asha(eta=3, min_epochs=2)
    rungs = [asha.report(0, 0, epoch, 0.0, last_epoch=18).rung for epoch in range(1, 19)]
    assert [epoch for epoch, rung in enumerate(rungs, 1) if rung] == [2, 6]


def test_without_a_last_epoch_rungs_have_no_end() -> None:
    asha = Asha(eta=2, min_epochs=1)
    rungs = [asha.report(0, 0, epoch, 0.0, None).rung for epoch in range(1, 33)]
    assert [rung for rung in rungs if rung] == [1, 2, 4, 8, 16, 32]


def test_a_trial_that_skips_a_rung_is_judged_at_its_next_report() -> None:
    asha = Asha(eta=3, min_epochs=1)
    assert asha.report(0, 0, 5, 0.0, None).rung == 3
    assert asha.report(0, 0, 6, 0.0, None).rung == 0
    assert asha.report(0, 0, 9, 0.0, None).rung == 9


def test_one_decision_at_a_rung_and_ties_go_on() -> None:
    asha = Asha(eta=2, min_epochs=1)
    assert asha.report(0, 0, 1, 0.5, None).decision is Decision.CONTINUE
    assert asha.report(1, 0, 1, 0.7, None).decision is Decision.STOP
    assert asha.report(2, 0, 1, 0.5, None).decision is Decision.CONTINUE
    assert asha.report(3, 0, 1, 0.5, None).decision is Decision.CONTINUE


def test_a_rung_compares_cells_of_one_fold() -> None:
    asha = Asha(eta=2, min_epochs=1)
    asha.report(0, 0, 1, 0.0, None)
    assert asha.report(0, 1, 1, 9.0, None).decision is Decision.CONTINUE
    assert asha.report(1, 1, 1, 8.0, None).decision is Decision.CONTINUE
    assert asha.report(1, 0, 1, 8.0, None).decision is Decision.STOP


def test_a_withdrawn_value_counts_no_more() -> None:
    asha = Asha(eta=2, min_epochs=1)
    asha.report(0, 0, 1, 0.1, None)
    asha.withdraw(0, 0)
    assert asha.report(1, 0, 1, 0.9, None).decision is Decision.CONTINUE
    assert asha.report(0, 0, 1, 0.95, None).decision is Decision.STOP


@given(st.permutations(range(8)), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_in_a_window_no_arrival_order_changes_a_decision(
    order: list[int], values: list[float]
) -> None:
    def decisions(arrivals: list[int]) -> dict[int, Decision]:
        asha = Asha(eta=2, min_epochs=1, windowed=True)
        for trial, loss in enumerate([0.3, 0.5, 0.7]):
            asha.report(100 + trial, 0, 1, loss, None)
        asha.close_window()
        return {t: asha.report(t, 0, 1, values[t], None).decision for t in arrivals}

    assert decisions(order) == decisions(sorted(order))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_closed_window_counts_like_single_reports(values: list[float]) -> None:
    windowed, plain = Asha(2, 1, windowed=True), Asha(2, 1)
    for trial, loss in enumerate(values):
        windowed.report(trial, 0, 1, loss, None)
        plain.report(trial, 0, 1, loss, None)
    windowed.close_window()
    for asha in (windowed, plain):
        asha.report(99, 0, 1, 2.0, None)
    probe = 0.5
    assert windowed.report(100, 0, 1, probe, None).rung == plain.report(100, 0, 1, probe, None).rung

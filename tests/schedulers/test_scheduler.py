"""The stopping rule, its rungs, its windows, folds, and what a retry withdraws."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tuner.schedulers.asha_stopping import AshaStopping
from tuner.testing.schedulers import Judged
from tuner.trial.cells import Decision


def stopping(eta: int, min_epochs: int = 1, **board: Any) -> Judged:
    return Judged(AshaStopping(eta, min_epochs), **board)


losses = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(losses, st.floats(-1e6, 1e6), st.integers(2, 5))
def test_exactly_the_best_share_goes_on_and_ties_with_it(
    values: list[float], loss: float, eta: int
) -> None:
    asha = stopping(eta)
    for trial, value in enumerate(values):
        asha.report(trial, 0, 1, value, None)
    verdict = asha.report(99, 0, 1, loss, None)
    better, count = sum(value < loss for value in values), len(values) + 1
    goes_on = better < max(1, count // eta)
    assert verdict.decision is (Decision.CONTINUE if goes_on else Decision.STOP)
    assert f"of {count}, and {max(1, count // eta)} go on" in verdict.why


@given(losses, st.integers(2, 5))
def test_the_best_so_far_always_goes_on(values: list[float], eta: int) -> None:
    asha = stopping(eta)
    for trial, value in enumerate(sorted(values, reverse=True)):
        assert asha.report(trial, 0, 1, value, None).decision is Decision.CONTINUE


@given(losses, losses, st.integers(2, 5))
def test_with_one_fold_the_rule_for_folds_is_the_same(
    values: list[float], more: list[float], eta: int
) -> None:
    plain, folded = stopping(eta), stopping(eta, folds=2)
    for trial, value in enumerate([*values, *more]):
        assert plain.report(trial, 0, 1, value, None) == folded.report(trial, 0, 1, value, None)


def test_rungs_stand_at_powers_of_eta_below_the_last_epoch() -> None:
    asha = stopping(3, 2)
    rungs = [asha.report(0, 0, epoch, 0.0, last_epoch=18).rung for epoch in range(1, 19)]
    assert [epoch for epoch, rung in enumerate(rungs, 1) if rung] == [2, 6]


def test_without_a_last_epoch_rungs_have_no_end() -> None:
    asha = stopping(2)
    rungs = [asha.report(0, 0, epoch, 0.0, None).rung for epoch in range(1, 33)]
    assert [rung for rung in rungs if rung] == [1, 2, 4, 8, 16, 32]


def test_a_trial_that_skips_a_rung_is_judged_at_its_next_report() -> None:
    asha = stopping(3)
    assert asha.report(0, 0, 5, 0.0, None).rung == 3
    assert asha.report(0, 0, 6, 0.0, None).rung is None
    assert asha.report(0, 0, 9, 0.0, None).rung == 9


def test_one_decision_at_a_rung_and_ties_go_on() -> None:
    asha = stopping(2)
    assert asha.report(0, 0, 1, 0.5, None).decision is Decision.CONTINUE
    assert asha.report(1, 0, 1, 0.7, None).decision is Decision.STOP
    assert asha.report(2, 0, 1, 0.5, None).decision is Decision.CONTINUE
    assert asha.report(3, 0, 1, 0.5, None).decision is Decision.CONTINUE


def test_equal_folds_are_compared_by_their_mean() -> None:
    asha = stopping(2, folds=2)
    for trial, (easy, hard) in enumerate([(0.0, 9.0), (1.0, 1.0)]):
        asha.report(trial, 0, 1, easy, None)
        asha.report(trial, 1, 1, hard, None)
    assert asha.report(2, 1, 1, 8.0, None).decision is Decision.STOP  # 9 and 1 on that fold
    assert asha.report(3, 0, 1, 0.5, None).decision is Decision.CONTINUE
    verdict = asha.report(3, 1, 1, 1.0, None)  # a mean of .75 against 4.5 and 1.0
    assert (verdict.decision, verdict.why) == (
        Decision.CONTINUE,
        "rung 1: 1st of 4, and 2 go on",
    )


def test_who_was_stopped_on_an_earlier_fold_counts_as_worse_on_the_next() -> None:
    asha = stopping(2, folds=2)
    for trial in range(6):
        asha.report(trial, 0, 1, float(trial), None)
    for trial in range(3):
        assert asha.report(trial, 1, 1, float(trial), None).decision is Decision.CONTINUE


def test_a_withdrawn_value_counts_no_more() -> None:
    asha = stopping(2)
    asha.report(0, 0, 1, 0.1, None)
    asha.withdraw(0, 0)
    assert asha.report(1, 0, 1, 0.9, None).decision is Decision.CONTINUE
    assert asha.report(0, 0, 1, 0.95, None).decision is Decision.STOP


@given(st.permutations(range(8)), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_in_a_window_no_arrival_order_changes_a_decision(
    order: list[int], values: list[float]
) -> None:
    def decisions(arrivals: list[int]) -> dict[int, Decision]:
        asha = stopping(2, windowed=True)
        for trial, loss in enumerate([0.3, 0.5, 0.7]):
            asha.report(100 + trial, 0, 1, loss, None)
        asha.board.close_window()
        return {t: asha.report(t, 0, 1, values[t], None).decision for t in arrivals}

    assert decisions(order) == decisions(sorted(order))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_closed_window_counts_like_single_reports(values: list[float]) -> None:
    windowed, plain = stopping(2, windowed=True), stopping(2)
    for trial, loss in enumerate(values):
        windowed.report(trial, 0, 1, loss, None)
        plain.report(trial, 0, 1, loss, None)
    windowed.board.close_window()
    for asha in (windowed, plain):
        asha.report(99, 0, 1, 2.0, None)
    probe = 0.5
    assert windowed.report(100, 0, 1, probe, None).rung == plain.report(100, 0, 1, probe, None).rung

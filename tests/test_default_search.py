"""A small form of the benchmark of the default search."""

from __future__ import annotations

import pytest

from benchmarks.default_search import METHODS, REFERENCE, paired, proposal_ms, search, table

BUDGETS = (2, 5, 10)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_spends_the_same_epochs_and_learns_what_a_search_can(method: str) -> None:
    row = search("crossing", (0,), method, 0, (1, 2))
    first, second = row["seen"]
    assert 1 > first >= second > 0
    assert 0 <= row["any"] <= 1
    assert row["trials"] >= 8


def test_on_curves_that_cross_the_default_finds_better_ones_than_stopping_does() -> None:
    methods = ("tuner default", REFERENCE)
    rows = [
        search("crossing", (task,), method, seed, BUDGETS)
        for method in methods
        for task in range(3)
        for seed in range(2)
    ]
    print("\n".join(table(rows)))
    assert paired(rows, *methods)[0] < 0


def test_a_proposal_is_timed() -> None:
    assert proposal_ms(30, repeats=2) > 0

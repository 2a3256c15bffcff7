"""A small form of the benchmark of the default search."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.default_search import METHODS, REFERENCE, paired, proposal_ms, search, table


@pytest.mark.parametrize("method", METHODS)
def test_each_method_spends_the_epochs_that_it_is_given(method: str) -> None:
    row = search("crossing", (0,), method, 0, (1, 2))
    first, second = row["seen"]
    assert 1 >= first >= second > 0
    assert 0 <= row["any"] <= 1
    assert row["trials"] >= 8


def test_methods_are_paired_by_task() -> None:
    rows: list[dict[str, Any]] = [
        {"task": task, "method": method, "seen": [value], "any": value, "trials": 1}
        for task, low in (("a", 0.1), ("b", 0.5))
        for method, value in (("tuner default", low), (REFERENCE, low + 0.2))
    ]
    assert paired(rows, "tuner default", REFERENCE) == pytest.approx((-0.2, -0.2, -0.2))
    said = table([{**row, "seen": row["seen"] * 5} for row in rows])
    assert "-0.200 [-0.200, -0.200]" in said[0]


def test_a_proposal_is_timed() -> None:
    assert proposal_ms(30, repeats=2) > 0

"""A small form of the benchmark of the default search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.curve_tables import Crossing, task_name
from benchmarks.default_search import BUDGETS, METHODS, proposal_ms, search, searched
from benchmarks.search_rows import REFERENCE, paired, table


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


def test_a_search_whose_row_is_there_already_is_not_run_again(tmp_path: Path) -> None:
    assert task_name("crossing", (3,)) == Crossing(3).name
    row = {"family": "crossing", "task": "cross3", "method": REFERENCE, "seed": 0}
    row["seen"] = [0.5] * len(BUDGETS)
    out = tmp_path / "rows.jsonl"
    out.write_text(json.dumps(row) + "\n")
    assert searched([("crossing", (3,), REFERENCE, 0)], out, 1) == [row]
    assert len(out.read_text().splitlines()) == 1

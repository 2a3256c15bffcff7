"""Small forms of the benchmarks of searches that train, and of kills over promotion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import promotion_kills, real_search


@pytest.mark.parametrize("method", real_search.METHODS)
def test_each_method_trains_for_the_epochs_that_it_is_given(method: str) -> None:
    row = real_search.search(None, 0, method, 0, (1,))
    assert 0 < row["loss"][0] < 2.3  # it is better than a guess among ten
    assert row["error"][0] < 0.5


def test_the_ratio_of_losses_is_paired_by_seed() -> None:
    rows = [
        {"method": method, "seed": seed, "loss": [low * by], "error": [0.1]}
        for method, by in ((real_search.OURS, 1.0), ("random + promotion", 2.0))
        for seed, low in ((0, 0.1), (1, 0.4))
    ]
    assert "2.000 [2.000, 2.000]" in real_search.table(rows)[1]


def test_a_real_search_whose_row_is_there_already_is_not_run_again(tmp_path: Path) -> None:
    row = {"task": "digits", "method": real_search.OURS, "seed": 0, "loss": [0.1], "error": [0.1]}
    out = tmp_path / "rows.jsonl"
    out.write_text(json.dumps(row) + "\n")
    assert real_search.searched([(None, 0, real_search.OURS, 0)], out, 1) == [row]


@pytest.mark.parametrize("number", [0, 1])
def test_kills_lose_nothing_and_train_no_more_than_they_must_again(number: int) -> None:
    machine, lost, same = promotion_kills.killed_study(number, kills=4, trials=12)
    assert machine.kills >= 1
    assert (lost, same) == (0, True)
    assert machine.twice <= machine.allowed

"""A study.json of an earlier format, brought to today's."""

from __future__ import annotations

from typing import Any

from tuner.store.layout import FORMAT
from tuner.store.study_upgrades import STEPS, upgraded


def test_format_1_says_mode_for_plan_and_direction_for_mode() -> None:
    before: dict[str, Any] = {"format": 1, "experiment": {"mode": "min", "plan": "cv", "folds": 3}}
    now = upgraded(before)
    assert now["format"] == FORMAT
    assert now["experiment"] == {"direction": "minimize", "mode": "cv", "folds": 3}
    assert before["experiment"]["mode"] == "min"


def test_todays_and_later_formats_are_left_alone() -> None:
    for number in (FORMAT, FORMAT + 1, 99, None):
        assert upgraded({"format": number}) == {"format": number}


def test_each_earlier_format_has_a_step() -> None:
    assert set(STEPS) == set(range(1, FORMAT))

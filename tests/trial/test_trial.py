"""What a trial says to who looks for what it has not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cells import trial
from tuner.trial.trial import Trial


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("suggest_float", "no attribute 'suggest_float'; declare the axis in the space, and read"),
        ("rate", r"no attribute 'rate'; read trial\['rate'\]"),
        ("other", "no attribute 'other'$"),
    ],
)
def test_what_it_has_not_is_told_with_the_way_out(name: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(trial({"rate": 0.5}), name)


def test_an_attribute_error_of_its_data_stays_that() -> None:
    def load() -> Any:
        raise AttributeError("of the data")

    of_trial = trial({"rate": 0.5})
    broken = Trial(of_trial.cell, lambda *report: None, load)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="of the data"):
        _ = broken.data

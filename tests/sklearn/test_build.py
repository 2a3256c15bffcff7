"""What `build_model` is given of the data."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.sklearn.build import built


def of_both(X: Any, y: Any, units: int) -> Any:
    return X, y, units


def of_one(units: int, y: Any = None) -> Any:
    return None, y, units


def of_none(units: int) -> Any:
    return None, None, units


def of_all(**given: Any) -> Any:
    return given["X"], given["y"], given["units"]


@pytest.mark.parametrize(
    ("build_model", "seen"),
    [(of_both, (1, 2, 8)), (of_one, (None, 2, 8)), (of_none, (None, None, 8)), (of_all, (1, 2, 8))],
)
def test_the_data_go_to_who_takes_them(build_model: Any, seen: Any) -> None:
    assert built(build_model, 1, 2, {"units": 8}) == seen


def test_a_callable_without_a_signature_gets_them() -> None:
    assert built(dict, 1, 2, {"units": 8}) == {"X": 1, "y": 2, "units": 8}

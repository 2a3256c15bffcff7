"""What a report may hold: any numbers, by name; and what each refusal says."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest

from tests.cells import trial
from tuner.engines.shipping import pickled
from tuner.errors import ExperimentError, ReportError
from tuner.trial.checks import checked_epoch, checked_metrics


class Tensor:
    """What a TensorFlow tensor is to NumPy."""

    def __init__(self, value: Any) -> None:
        self.value = np.array(value, np.float32)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.value.astype(dtype or np.float32)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.5, {"m": 0.5}),
        (1, {"m": 1.0}),
        (np.float32(0.5), {"m": 0.5}),
        (np.int64(3), {"m": 3.0}),
        (np.array(0.5), {"m": 0.5}),
        (np.array([0.5]), {"m": 0.5}),
        (Tensor(0.5), {"m": 0.5}),
        (True, {"m": 1.0}),
        (None, {}),
        ([0.5, 1], {"m_0": 0.5, "m_1": 1.0}),
        (np.array([0.5, 0.25, 1]), {"m_0": 0.5, "m_1": 0.25, "m_2": 1.0}),
        (Tensor([0.5, 0.25]), {"m_0": 0.5, "m_1": 0.25}),
        (np.eye(2), {"m_0_0": 1.0, "m_0_1": 0.0, "m_1_0": 0.0, "m_1_1": 1.0}),
        ([], {}),
    ],
)
def test_numbers_of_any_type_and_shape_become_columns(value: Any, kept: dict[str, float]) -> None:
    found = checked_metrics({"m": value})
    assert found == kept
    assert all(type(one) is float for one in found.values())


def test_nan_and_infinity_are_carried_to_the_study() -> None:
    found = checked_metrics({"a": math.nan, "b": [math.inf, 1.0]})
    assert math.isnan(found["a"])
    assert found["b_0"] == math.inf


@pytest.mark.parametrize(
    "value",
    [
        "0.5",
        "high",
        {"a": 1},
        1j,
        object(),
        [1, "a"],
        [[1], [1, 2]],
        lambda: 1,
        b"1",
        10**400,
        ["0.5", "1"],
        np.array(["1", 2], object),
        np.timedelta64(3, "s"),
        np.ma.masked,
        np.ma.masked_array([1.0, 2.0], mask=[True, False]),
    ],
)
def test_what_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ReportError, match=r"metric 'm' is .*, which is not a number"):
        checked_metrics({"loss": 0.5, "m": value})


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ReportError, match="'f_0' is reported twice, the second time as 'f_0'"):
        checked_metrics({"f": [0.1, 0.2], "f_0": 0.9})
    with pytest.raises(ReportError, match="'1' is reported twice"):
        checked_metrics({1: 0.1, "1": 0.9})  # type: ignore[dict-item]


def test_a_report_of_nothing_is_refused() -> None:
    with pytest.raises(ReportError, match="a report holds no metric"):
        checked_metrics({})
    with pytest.raises(ReportError, match=r"metrics 0\.5 are not a dict"):
        checked_metrics(0.5)  # type: ignore[arg-type]


def test_a_vector_may_not_make_a_results_column() -> None:
    with pytest.raises(ReportError, match="metric 'fold' has the name of a results column"):
        checked_metrics({"fold": 1})


@pytest.mark.parametrize("epoch", [0, -1, np.int64(0)])
def test_epochs_counted_from_0_get_a_line(epoch: Any) -> None:
    with pytest.raises(ReportError, match=r"epochs count from 1: report\(epoch \+ 1, metrics\)"):
        trial().report(epoch, {"val_accuracy": 0.5})


@pytest.mark.parametrize(("epoch", "last"), [(3, 3), (2, 5)])
def test_epochs_rise(epoch: int, last: int) -> None:
    with pytest.raises(ReportError, match=f"epoch {epoch} was reported after epoch {last}"):
        checked_epoch(epoch, last)


def holder() -> Any:
    lock = threading.Lock()

    def train(given: Any) -> None:
        with lock:
            given.report(1, {"val_accuracy": 1.0})

    return train


def test_an_objective_that_holds_a_lock_is_refused_by_its_name() -> None:
    with pytest.raises(ExperimentError, match="objective train holds 'lock', a lock, which"):
        pickled(holder())


def test_an_objective_that_holds_an_open_file_is_refused_by_its_name(tmp_path: Any) -> None:
    with (tmp_path / "log").open("w") as log:

        def train(given: Any) -> None:
            log.write("begun")

        with pytest.raises(ExperimentError, match="objective train holds 'log', a TextIOWrapper"):
            pickled(train)

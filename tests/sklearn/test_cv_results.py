from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV

from tuner.errors import StudyError
from tuner.sklearn.cv_results import check_fits, cv_results, tables
from tuner.study.cell_result import CellResult
from tuner.study.record import Record
from tuner.trial.cells import State

GRID = [{"a": [1, 2], "layers": [(8,), (8, 8)]}, {"a": [1.5], "b": ["x", None]}]


class Stub(BaseEstimator):
    """Scores by its parameters, and not at all for a = 2."""

    def __init__(self, a: float = 0.0, b: Any = None, layers: Any = ()) -> None:
        self.a, self.b, self.layers = a, b, layers

    def fit(self, X: Any, y: Any) -> Stub:
        self.seen_ = len(X)
        return self

    def score(self, X: Any, y: Any) -> float:
        score = len(self.layers) + float(X.sum()) % 7 + (self.b == "x")
        return math.nan if self.a == 2 and len(self.layers) == 2 else score


def test_columns_dtypes_and_ranks_are_scikit_learns() -> None:
    X = np.arange(20.0).reshape(10, 2)
    search = GridSearchCV(Stub(), GRID, cv=3, refit=False, return_train_score=True)
    with pytest.warns(UserWarning, match="scores are non-finite"):
        expected = search.fit(X, np.arange(10.0)).cv_results_
    test, train = (
        np.stack([expected[f"split{i}_{part}_score"] for i in range(3)], axis=1)
        for part in ("test", "train")
    )
    times = {"fit_time": np.ones((6, 3)), "score_time": np.zeros((6, 3))}
    found = cv_results(expected["params"], times, {"score": test}, {"score": train})
    assert list(found) == list(expected)
    for key, column in expected.items():
        if not key.endswith("_time"):
            assert type(found[key]) is type(column), key
            assert getattr(found[key], "dtype", None) == getattr(column, "dtype", None), key
            np.testing.assert_array_equal(found[key], column)
            assert np.array_equal(np.ma.getmaskarray(found[key]), np.ma.getmaskarray(column))
    assert found["mean_fit_time"].tolist() == [1.0] * 6


def test_all_rank_first_where_none_has_a_score() -> None:
    nothing = np.full((2, 3), np.nan)
    found = cv_results([{"a": 1}, {"a": 2}], {}, {"score": nothing}, {})
    assert found["rank_test_score"].tolist() == [1, 1]
    assert found["rank_test_score"].dtype == np.int32


def cell(state: State, error: str | None = None) -> CellResult:
    return CellResult(state, 1, None, 1, 0, 2.0, None, "", error)


def record(trial: int, state: State, cells: dict[int, CellResult]) -> Record:
    return Record(trial, {"a": trial}, 0, 0, state=state, cells=cells)


DONE, FAILED = cell(State.COMPLETE), cell(State.FAILED, "Traceback\nValueError: no")
RECORDS = [
    record(0, State.COMPLETE, {0: DONE, 1: DONE}),
    record(1, State.FAILED, {0: DONE, 1: FAILED}),
    record(2, State.DIVERGED, {0: cell(State.DIVERGED)}),
    record(3, State.STOPPED, {0: DONE}),
]
REPORTS = pd.DataFrame(
    {
        "trial": [0, 0, 0, 1, 1, 2, 3],
        "fold": [0, 0, 1, 0, 1, 0, 0],
        "epoch": [1, 2, 1, 1, 1, 1, 1],
        "test_score": [0.1, 0.2, 0.4, 0.5, 0.9, math.nan, 0.6],
        "fit_time": [math.nan, 1.0, 1.0, 1.0, math.nan, 1.0, 1.0],
        "score_time": [math.nan, 0.5, 0.5, 0.5, math.nan, 0.5, 0.5],
    }
)


def test_the_last_report_of_a_whole_fit_counts() -> None:
    found = tables(RECORDS, REPORTS, 2, error_score=-1.0)
    assert list(found) == ["fit_time", "score_time", "test_score"]
    np.testing.assert_equal(
        found["test_score"], [[0.2, 0.4], [0.5, -1.0], [-1.0, -1.0], [0.6, math.nan]]
    )
    assert found["fit_time"].tolist() == [[1.0, 1.0], [1.0, 2.0], [2.0, 0.0], [1.0, 0.0]]


def test_failed_fits_are_warned_of_or_raised() -> None:
    check_fits(RECORDS[:1], 2, math.nan)
    message = r"1 failed and 1 diverged, out of 8 fits; .*nan; the first, \{'a': 1\} on split 1"
    with pytest.warns(FitFailedWarning, match=message):
        check_fits(RECORDS, 2, math.nan)
    with pytest.raises(StudyError, match=r"2 of 6 fits failed; .*split 1: ValueError: no"):
        check_fits(RECORDS, 2, "raise")
    only = [record(0, State.FAILED, {0: FAILED, 1: FAILED})]
    with pytest.raises(StudyError, match="2 of 2 fits failed"):
        check_fits(only, 2, math.nan)

"""scikit-learn's own checks of an estimator, all of them, as a classifier and as a regressor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from tests.sklearn.here import without_ray
from tests.sklearn.least import classifier, regressor
from tuner.sklearn.search import TunerSearchCV

SEARCHES = [
    TunerSearchCV(build, {"ridge": [0.1]}, cv=2, task=task)
    for build, task in ((classifier, "classifier"), (regressor, "regressor"))
]


def named(estimator: Any, check: Any) -> str:
    """A test's name: the same in every process, unlike scikit-learn's, which holds an address."""
    while hasattr(check, "func"):
        check = check.func
    return f"{estimator.task}-{check.__name__}"


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(estimator, check, id=named(estimator, check))
        for search in SEARCHES
        for estimator, check in estimator_checks_generator(search)
    ],
)
def test_it_is_an_estimator_as_scikit_learn_checks_one(
    estimator: Any, check: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_ray(monkeypatch)
    check(estimator)

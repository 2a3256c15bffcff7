"""What a fitted search does as its best estimator: predictions, a score, the classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from tuner.errors import ExperimentError


def _may(method: str) -> Callable[[Any], bool]:
    """Whether a search has a method of its best estimator; before `fit`, whether it may get it."""

    def check(search: Any) -> bool:
        if not search.refit:
            return False
        if hasattr(search, "best_estimator_"):
            return hasattr(search.best_estimator_, method)
        return method == "predict" or search.task != "regressor"

    return check


class ByBestEstimator(BaseEstimator):  # type: ignore[misc]
    """A search that passes on to `best_estimator_`, which its `fit` makes if `refit` says so."""

    refit: Any
    scorer_: Any
    multimetric_: bool
    best_estimator_: Any

    @available_if(_may("predict"))  # type: ignore[untyped-decorator]
    def predict(self, X: Any) -> Any:
        """The best estimator's predictions."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict(X)

    @available_if(_may("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """The best classifier's outputs, one column a class."""
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict_proba(X)

    def score(self, X: Any, y: Any) -> float:
        """The score of the best estimator on these data, by the scorer that chose it."""
        check_is_fitted(self, "best_estimator_")
        if self.multimetric_ and callable(self.refit):
            raise ExperimentError(
                "a function chose the best by several scores, and none of them is the score",
                field="refit",
                way_out="call the scorer that you want: search.scorer_",
            )
        scorer = self.scorer_[self.refit] if isinstance(self.scorer_, dict) else self.scorer_
        score = scorer(self.best_estimator_, X, y)
        return float(score[self.refit] if isinstance(score, Mapping) else score)

    @property
    def classes_(self) -> Any:
        """The class labels, of a classifier."""
        return self.best_estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        """The samples' second dimension."""
        return int(self.best_estimator_.n_features_in_)

    @property
    def feature_names_in_(self) -> Any:
        """The columns' names, where `X` was a table that had some."""
        return self.best_estimator_.feature_names_in_

"""A Keras model as a scikit-learn estimator: what `TunerSearchCV` fits on each fold.

It does what Keras' own wrapper does, the models and their numbers being the same, and more: it has
`predict_proba`, takes samples of any shape, and trains by warm programs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tuner.errors import ExperimentError
from tuner.programs.fit import warm
from tuner.training.declared import (
    VALIDATION_BYTES,
    VALIDATION_SAMPLES,
)

LEAST_BATCH = 32
"""Keras' own batch size of a prediction; larger where samples are small."""


class _KerasEstimator(BaseEstimator):  # type: ignore[misc]
    """`build_model(X=, y=, **params)` returns a compiled model; `fit_params` go to its `fit`.

    Fitted, it has `model_`, `history_` and `n_features_in_`. Raises ExperimentError for a model
    that is not compiled.
    """

    def __init__(
        self,
        build_model: Callable[..., Any],
        *,
        params: Mapping[str, Any] | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        fit_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.build_model = build_model
        self.params = params
        self.epochs = epochs
        self.batch_size = batch_size
        self.fit_params = fit_params

    def fit(self, X: Any, y: Any, callbacks: Sequence[Any] = ()) -> Any:
        """Build and train a model. `callbacks` come after those of `fit_params`."""
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True)
        targets = self._targets(y)
        model = self.build_model(X=X, y=targets, **(self.params or {}))
        if not (getattr(model, "compiled", False) and model.loss and model.optimizer):
            raise ExperimentError(
                f"build_model returned {model!r}, which is no compiled Keras model; "
                "compile it with an optimizer and a loss"
            )
        self.model_ = model
        # Copies: a callback of the user's may keep what it saw of another fit.
        options = copy.deepcopy(dict(self.fit_params or {}))
        callbacks = [*(options.pop("callbacks", None) or ()), *callbacks]
        with warm():
            self.history_ = model.fit(
                X,
                targets,
                epochs=self.epochs,
                batch_size=self.batch_size,
                callbacks=callbacks,
                **{"verbose": 0, **options},
            )
        return self

    def _targets(self, y: Any) -> Any:
        raise NotImplementedError

    def _outputs(self, X: Any) -> Any:
        """What the model gives for each sample."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        roomy = min(VALIDATION_SAMPLES, VALIDATION_BYTES // max(1, X[0].nbytes))
        return self.model_.predict(X, batch_size=max(LEAST_BATCH, int(roomy)), verbose=0)


class KerasClassifier(ClassifierMixin, _KerasEstimator):  # type: ignore[misc]
    """A classifier; `build_model` and the model's loss see one-hot float32 rows as `y`.

    Fitted, it has `classes_`. The model has one output a class.
    """

    def _targets(self, y: Any) -> Any:
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        return np.eye(len(self.classes_), dtype=np.float32)[codes.reshape(-1)]

    def predict(self, X: Any) -> Any:
        """The most probable class of each sample."""
        return self.classes_[self._outputs(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """The model's outputs, one column a class, in the order of `classes_`."""
        return self._outputs(X)


class KerasRegressor(RegressorMixin, _KerasEstimator):  # type: ignore[misc]
    """A regressor; `build_model` sees `y` as columns, (samples, outputs)."""

    def _targets(self, y: Any) -> Any:
        self._flat = y.ndim == 1
        return y.reshape(-1, 1) if self._flat else y

    def predict(self, X: Any) -> Any:
        """The prediction for each sample, in the shape of the `y` that was learned."""
        outputs = self._outputs(X)
        return outputs.squeeze(axis=1) if self._flat and outputs.ndim == 2 else outputs

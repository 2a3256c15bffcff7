"""A Keras model as a scikit-learn estimator: what `TunerSearchCV` fits on each fold.

It does what Keras' own wrapper does, the models and their numbers being the same, and more: it has
`predict_proba`, takes samples of any shape, and trains by warm programs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from tuner.errors import ExperimentError
from tuner.programs.fit import warm
from tuner.sklearn.build import built
from tuner.sklearn.sklearn_internals import checked_weights
from tuner.sklearn.targets import (
    chances_of,
    checked_y,
    class_weights,
    labels_like,
    labels_of,
    targets_for,
)
from tuner.training.declared import (
    VALIDATION_BYTES,
    VALIDATION_SAMPLES,
    create_weights,
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

    def fit(self, X: Any, y: Any, callbacks: Sequence[Any] = (), sample_weight: Any = None) -> Any:
        """Build and train a model. `callbacks` come after those of `fit_params`."""
        X = validate_data(self, X, allow_nd=True)
        y = checked_y(y, numeric=self._numeric)
        check_consistent_length(X, y)
        shown = self._learn(y)
        model = built(self.build_model, X, shown, self.params or {})
        if not (getattr(model, "compiled", False) and model.loss and model.optimizer):
            raise ExperimentError(
                f"build_model returned {model!r}, which is not a compiled Keras model; "
                "compile it with an optimizer and a loss"
            )
        self.model_ = model
        create_weights(model, X)
        targets = self._targets(model, shown)
        # Copies: a callback of the user's may keep what it saw of another fit.
        options = copy.deepcopy(dict(self.fit_params or {}))
        callbacks = [*(options.pop("callbacks", None) or ()), *callbacks]
        options |= self._weights(options.pop("class_weight", None))
        options |= self._validation(model, options.pop("validation_data", None))
        if sample_weight is not None:
            options["sample_weight"] = checked_weights(sample_weight, X)
        with warm():
            self.history_ = model.fit(
                X,
                targets,
                epochs=self.epochs,
                batch_size=self.batch_size,
                callbacks=callbacks,
                **{"verbose": 0, **options},
            )
        self.__dict__.pop("_labels", None)  # a fitted estimator needs no targets
        return self

    _numeric = False
    """Whether targets must be numbers."""

    def _learn(self, y: Any) -> Any:
        """Remember what y was; what `build_model` sees as y."""
        raise NotImplementedError

    def _targets(self, model: Any, shown: Any) -> Any:
        """What the model's loss wants."""
        raise NotImplementedError

    def _validation(self, model: Any, given: Any) -> dict[str, Any]:
        """`validation_data` with targets as the loss wants them; a tf.data's stay as they are."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            return {} if given is None else {"validation_data": given}
        x, y, *weights = given
        return {"validation_data": (np.asarray(x), self._others(model, y), *weights)}

    def _others(self, model: Any, y: Any) -> Any:
        """Targets beside those that were learned, in the form that the model's loss wants."""
        raise NotImplementedError

    def _weights(self, class_weight: Any) -> dict[str, Any]:
        return {} if class_weight is None else {"class_weight": class_weight}

    def _outputs(self, X: Any) -> Any:
        """What the model gives for each sample."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        roomy = min(VALIDATION_SAMPLES, VALIDATION_BYTES // max(1, X[0].nbytes))
        return self.model_.predict(X, batch_size=max(LEAST_BATCH, int(roomy)), verbose=0)


class KerasClassifier(ClassifierMixin, _KerasEstimator):  # type: ignore[misc]
    """A classifier; `build_model` sees one-hot float32 rows as `y`.

    The model's targets have the form that its loss wants (`tuner.sklearn.targets`), and what it
    predicts that of the `y` given: labels, one-hot rows, or several labels a sample. Fitted, it has
    `classes_`.
    """

    def _learn(self, y: Any) -> Any:
        self._labels = labels_of(y)
        self._kind, self.classes_ = self._labels.kind, self._labels.classes
        return self._labels.rows

    def _targets(self, model: Any, shown: Any) -> Any:
        return targets_for(model, self._labels)

    def _others(self, model: Any, y: Any) -> Any:
        return targets_for(model, labels_like(self._labels, y))

    def _weights(self, class_weight: Any) -> dict[str, Any]:
        return super()._weights(class_weights(class_weight, self._labels))

    def predict(self, X: Any) -> Any:
        """The most probable class of each sample, or each label that is likelier than not."""
        chances = self.predict_proba(X)
        if self._kind == "several":
            return (chances > 0.5).astype(int)
        likeliest = chances.argmax(axis=1)
        if self._kind == "one_hot":
            return np.eye(len(self.classes_), dtype=int)[likeliest]
        return self.classes_[likeliest]

    def predict_proba(self, X: Any) -> Any:
        """Probabilities, one column a class, in the order of `classes_`."""
        return chances_of(self.model_, self._outputs(X), len(self.classes_), self._kind)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class KerasRegressor(RegressorMixin, _KerasEstimator):  # type: ignore[misc]
    """A regressor; `build_model` sees `y` as columns, (samples, outputs)."""

    _numeric = True

    def _learn(self, y: Any) -> Any:
        self._shape = y.shape[1:]
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _targets(self, model: Any, shown: Any) -> Any:
        return shown

    def _others(self, model: Any, y: Any) -> Any:
        y = np.asarray(y)
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def predict(self, X: Any) -> Any:
        """The prediction for each sample, in the shape of the `y` that was learned: float64."""
        outputs = self._outputs(X).astype(np.float64)
        fits = outputs.size == len(outputs) * math.prod(self._shape)
        return outputs.reshape(len(outputs), *self._shape) if fits else outputs

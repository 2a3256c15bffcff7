"""How good a trained model is on the test set: loss, accuracy, coefficient of determination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.data.datasets import Dataset
from tuner.data.targets import strata
from tuner.errors import StudyError
from tuner.experiment.experiment import KerasModel, Objective
from tuner.training.declared import batch_size_of, targets_of, validation_batch_size
from tuner.trial.trial import Trial

if TYPE_CHECKING:
    import keras


def test_metrics(
    objective: Objective,
    trial: Trial,
    model: keras.Model,
    dataset: Dataset,
    *,
    logits: bool | None,
) -> dict[str, float]:
    """The model's figures on the test part.

    For a declared model: its loss and metrics. For classes: `accuracy`, the share of samples whose
    likeliest class is theirs. `r2`: 1 - squared error / variance; for classes that of predicted
    probabilities against one-hot targets, its mean over the classes. What the shape of the
    predictions does not allow is left out. With `logits` None the loss of a compiled model
    says whether these are logits. Raises StudyError where these are not finite.
    """
    from sklearn.metrics import r2_score

    metrics: dict[str, float] = {}
    size = None
    if isinstance(objective, KerasModel):  # of a function's targets nothing is known
        y_test = targets_of(objective, dataset.y_test, dataset.n_classes)
        size = validation_batch_size(objective, batch_size_of(objective, trial), dataset.x_test)
        scores = model.evaluate(
            dataset.x_test, y_test, batch_size=size, verbose=0, return_dict=True
        )
        metrics = {name: float(scores[name]) for name in sorted(scores, key="loss".__ne__)}
    predicted = model.predict(dataset.x_test, batch_size=size, verbose=0)
    if not isinstance(predicted, np.ndarray):
        return metrics
    if not np.isfinite(predicted).all():
        raise StudyError(
            f"the refit of trial {trial.number} diverged: its predictions are not finite",
            way_out="take another `seed` or `trial`",
        )
    if dataset.n_classes is None:
        wanted = dataset.y_test.reshape(len(dataset.y_test), -1)
        if predicted.size != wanted.size:
            return metrics
        return {**metrics, "r2": float(r2_score(wanted, predicted.reshape(wanted.shape)))}
    if predicted.shape[1:] == (1,) and (dataset.y_test == -1).any():  # from -1 to 1
        predicted = (predicted + 1) / 2
    if logits is None:
        logits = bool(getattr(model.loss, "from_logits", False))
    chances = probabilities(predicted, logits=logits)
    if chances.shape != (len(dataset.y_test), dataset.n_classes):
        return metrics
    labels = strata(dataset.y_test)
    one_hot = np.eye(dataset.n_classes)[labels]
    accuracy = float((chances.argmax(axis=1) == labels).mean())
    return {**metrics, "accuracy": accuracy, "r2": float(r2_score(one_hot, chances))}


def probabilities(predicted: Any, *, logits: bool) -> Any:
    """Predictions as probabilities of the classes; a single output is that of the second."""
    from scipy.special import expit, softmax

    single = predicted.ndim == 2 and predicted.shape[1] == 1
    if logits:
        predicted = expit(predicted) if single else softmax(predicted, axis=-1)
    return np.hstack([1 - predicted, predicted]) if single else predicted

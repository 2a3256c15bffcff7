"""Which way a metric is searched, as its name says."""

from __future__ import annotations

import inspect
import re

import pytest

from tuner.errors import ExperimentError
from tuner.experiment.direction import direction_of
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.search_space.axes import Float

LOWER = """
    loss val_loss mse val_mse mae rmse val_rmse mape msle error val_error error_rate perplexity
    log_loss logloss mean_squared_error val_mean_absolute_error_1 RMSE valLoss digits_loss
    neg_accuracy accuracy_loss false_positives val_kl_divergence cross_entropy binary_crossentropy
    negative_log_likelihood brier_score RootMeanSquaredError davies_bouldin_score
"""
HIGHER = """
    accuracy val_accuracy acc auc val_auc_2 precision recall val_precision_at_recall f1 f1_score_0
    f1_weighted r2 val_r2_score true_positives test_neg_mean_squared_error neg_log_loss
    loss_accuracy mean_io_u cosine_similarity top_k_categorical_accuracy log_likelihood
    score test_score roc_auc_ovr explained_variance d2_absolute_error_score d2_log_loss_score
"""
NEITHER = "x value objective metric val_dice tversky duration mean sum neg_ 1"

NO_SIDE = {"Metric", "Mean", "Sum", "MeanMetricWrapper"}
"""Keras' metrics of which the name cannot say a direction: they average whatever they are given."""
TWO_SIDES = {"Dice", "Tversky"}
"""Keras' losses that share their names with the coefficients that they are 1 minus of."""


@pytest.mark.parametrize("name", LOWER.split())
def test_losses_and_errors_are_minimised(name: str) -> None:
    assert direction_of(name) == "minimize"


@pytest.mark.parametrize("name", HIGHER.split())
def test_scores_are_maximised(name: str) -> None:
    assert direction_of(name) == "maximize"


@pytest.mark.parametrize("name", NEITHER.split())
def test_a_name_that_says_neither_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="does not say which way is better; give direction="):
        direction_of(name)


def test_every_metric_and_loss_of_keras_has_its_direction() -> None:
    """Its metrics rise but for errors, which are its losses too; its losses fall."""
    import keras

    losses = _classes(keras.losses, keras.losses.Loss)
    metrics = _classes(keras.metrics, keras.metrics.Metric)
    falling = {"FalsePositives", "FalseNegatives", "MeanRelativeError", "RootMeanSquaredError"}
    assert len(losses) > 20
    assert len(metrics) > 40
    for name in losses - {"CosineSimilarity"}:  # 1 is the best of the metric of that name
        expected = None if name in TWO_SIDES else "minimize"
        assert _known(_keras_name(name)) == expected, name
    for name in metrics - losses:
        expected = None if name in NO_SIDE else "minimize" if name in falling else "maximize"
        if name == "LogCoshError":
            expected = "minimize"
        assert _known(_keras_name(name)) == expected, name
        assert expected is None or _known(f"val_{_keras_name(name)}_3") == expected
    functions = {name for name, f in vars(keras.losses).items() if inspect.isfunction(f)}
    for name in functions - {"get", "serialize", "deserialize", "cosine_similarity"}:
        expected = None if name in ("dice", "tversky") else "minimize"
        assert _known(name) == expected, name


def test_a_study_follows_its_metric_unless_told() -> None:
    experiment = Experiment("named", {"x": Float(0, 1)}, print, metric="val_loss", dataset=None)
    assert settle(experiment, {}).direction == "minimize"
    assert settle(experiment, {"metric": "val_accuracy"}).direction == "maximize"
    assert settle(experiment, {"direction": "maximize"}).direction == "maximize"
    with pytest.raises(ExperimentError, match="metric 'height' does not say which way"):
        Experiment("named", {"x": Float(0, 1)}, print, metric="height")
    assert Experiment("named", {"x": Float(0, 1)}, print, metric="height", direction="minimize")
    with pytest.raises(ExperimentError, match=r"mode: 'max' is not one of .*direction='max"):
        Experiment("named", {"x": Float(0, 1)}, print, mode="max")


def _known(name: str) -> str | None:
    try:
        return direction_of(name)
    except ExperimentError:
        return None


def _classes(module: object, base: type) -> set[str]:
    members = vars(module).items()
    return {n for n, c in members if inspect.isclass(c) and issubclass(c, base) and c is not base}


def _keras_name(name: str) -> str:
    """The name by which Keras reports an instance that was given none."""
    return re.sub(
        r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    ).lower()

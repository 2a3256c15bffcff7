from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import check_scoring

from tests.cells import Reports, run
from tests.sklearn.test_estimator import classifier
from tuner.sklearn.objective import EstimatorFactory, scored_fit, seeded
from tuner.sklearn.param_grid import param_grid
from tuner.trial.cells import Ending

MAKE = EstimatorFactory(classifier, "classifier", epochs=3, batch_size=64, fit_params={})
GRID = param_grid({"units": [8], "epochs": [2]})
POINT = {"units": 8, "epochs": 2}


def objective(make: EstimatorFactory = MAKE, scoring: Any = "accuracy", **options: Any) -> Any:
    options = {"train_score": False, "every_epoch": False, **options}
    return scored_fit(make, GRID, check_scoring(make({}), scoring), **options)


def test_every_epoch_is_reported_and_the_last_is_scored() -> None:
    outcome, reports = run(objective(), POINT)
    assert outcome.error is None
    assert reports.epochs == [1, 2]
    first, last = reports.metrics
    assert set(first) == {"loss", "accuracy", "learning_rate"}
    assert set(last) == {*first, "test_score", "fit_time", "score_time"}
    assert last["test_score"] > 0.2
    again = run(objective(), POINT)[1]
    assert again.metrics[-1]["test_score"] == last["test_score"]
    assert again.metrics[-1]["loss"] == pytest.approx(last["loss"], abs=1e-6)


def test_scores_come_with_every_epoch_for_a_scheduler_which_may_stop() -> None:
    options: dict[str, Any] = {"train_score": True, "every_epoch": True}
    _, whole = run(objective(scoring=["accuracy", "neg_log_loss"], **options), POINT)
    assert {"test_accuracy", "test_neg_log_loss", "train_accuracy"} <= set(whole.metrics[0])
    outcome, reports = run(objective(**options), POINT, reports=Reports(stop_at=1))
    assert outcome.ending is Ending.FINISHED
    assert reports.epochs == [1]
    assert "fit_time" not in reports.metrics[0]
    # To look at the score in mid-training changes nothing of it.
    _, plain = run(objective(), POINT)
    assert whole.metrics[1]["loss"] == pytest.approx(plain.metrics[1]["loss"], abs=1e-6)


def test_a_fit_that_its_own_callback_ended_is_scored_too() -> None:
    import keras

    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9, start_from_epoch=0)
    make = EstimatorFactory(classifier, "classifier", 50, 64, {"callbacks": [stop]})
    _, reports = run(objective(make), {"units": 8})
    assert reports.epochs == [1, 2]
    assert "test_score" in reports.metrics[-1]


def test_what_a_build_raises_fails_the_cell() -> None:
    make = EstimatorFactory(lambda X, y, **params: 1 / 0, "classifier", 1, 64, {})
    outcome, _ = run(objective(make), POINT)
    assert outcome.ending is Ending.RAISED
    assert "ZeroDivisionError" in str(outcome.error)


def states() -> tuple[Any, list[int]]:
    """Of Python's generator and of NumPy's."""
    return random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()


def test_seeding_puts_the_users_generators_back() -> None:
    random.seed(1)
    np.random.seed(1)
    before = states()
    with seeded(5):
        drawn = random.random(), np.random.rand()
    assert states() == before
    with seeded(5):
        assert (random.random(), np.random.rand()) == drawn

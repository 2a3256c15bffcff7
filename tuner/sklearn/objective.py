"""What a worker does for `TunerSearchCV`: fit one point on one fold, and score it."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from tuner.sklearn.estimator import KerasClassifier, KerasRegressor
from tuner.sklearn.param_grid import ParamGrid
from tuner.training.process import seed_worker
from tuner.trial.cells import Decision
from tuner.trial.keras_callback import report_callback
from tuner.trial.trial import Trial

FIT_NAMES = ("epochs", "batch_size")
"""Parameters that are the fit's, not the model's."""
FIT_TIME, SCORE_TIME = "fit_time", "score_time"

Estimator = KerasClassifier | KerasRegressor
Scorer = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True)
class EstimatorFactory:
    """Makes the estimator of a point: parameters called epochs and batch_size go to its fit."""

    build_model: Callable[..., Any]
    task: str
    epochs: int
    batch_size: int
    fit_params: Mapping[str, Any]

    def __call__(self, params: Mapping[str, Any]) -> Estimator:
        kind = KerasClassifier if self.task == "classifier" else KerasRegressor
        return kind(
            self.build_model,
            params={name: v for name, v in params.items() if name not in FIT_NAMES},
            epochs=params.get("epochs", self.epochs),
            batch_size=params.get("batch_size", self.batch_size),
            fit_params=self.fit_params,
        )


def scored_fit(
    make: EstimatorFactory,
    grid: ParamGrid,
    scorer: Scorer,
    classes: Any,
    *,
    train_score: bool,
    every_epoch: bool,
) -> Callable[[Trial], None]:
    """The training function: reports every epoch, the last one with the scores and times.

    The scores are called `test_<name>`, with `train_score` `train_<name>` too, and come with each
    epoch if a scheduler wants them. `classes` are the labels behind the dataset's numbers, None
    for a regression.
    """

    @wraps(make.build_model)  # it is the user's module that must come along, not this one
    def train(trial: Trial) -> None:
        if "keras" not in sys.modules:  # else this was done before us
            seed_worker(trial.seed, import_keras=True)
        data = trial.data
        y_train, y_val = (_targets(y, classes, data.n_classes) for y in (data.y_train, data.y_val))
        estimator = make(grid.decode(trial.params))

        def scores() -> dict[str, float]:
            found = _named("test", scorer(estimator, data.x_val, y_val))
            if train_score:
                found |= _named("train", scorer(estimator, data.x_train, y_train))
            return found

        held: dict[str, float] = {}

        def send(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
            # A callback of the user's, which came before ours, may have ended the fit.
            if epoch == estimator.epochs or estimator.model_.stop_training:
                held.update(metrics)
                return Decision.CONTINUE
            # Without a scheduler nobody needs the score before the end.
            found: dict[str, Any] = {str(trial.metric): None}
            found |= scores() if every_epoch else {}
            stop = trial.report(epoch, {**metrics, **found})
            return Decision.STOP if stop else Decision.CONTINUE

        started = time.perf_counter()
        reporting = report_callback(Trial(trial.cell, send, lambda: data))
        estimator.fit(data.x_train, y_train, callbacks=[reporting])
        fitted = time.perf_counter()
        if held:
            found = scores()
            times = {FIT_TIME: fitted - started, SCORE_TIME: time.perf_counter() - fitted}
            trial.report(trial.last_epoch + 1, {**held, **found, **times})

    return train


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed this process as a worker is; Python's and NumPy's generators are put back after it."""
    python, numpy = random.getstate(), np.random.get_state()
    seed_worker(seed, import_keras=True)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _targets(y: Any, classes: Any, n_classes: int | None) -> Any:
    """What the user gave as `y`: a dataset holds labels as numbers from 0."""
    if classes is not None:
        return classes[y]
    if n_classes is not None:  # one-hot rows as the targets of a regression
        return np.eye(n_classes, dtype=np.float32)[y]
    return y


def _named(part: str, scores: Any) -> dict[str, float]:
    """Scores by their names in `cv_results_`."""
    named = scores if isinstance(scores, Mapping) else {"score": scores}
    return {f"{part}_{name}": float(score) for name, score in named.items()}

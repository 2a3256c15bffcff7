"""What a worker does for `TunerSearchCV`: fit one point on one fold, and score it."""

from __future__ import annotations

import math
import pickle
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from tuner.data.splits import Part
from tuner.errors import ExperimentError, SearchSpaceError, StudyError
from tuner.files import put_bytes
from tuner.search_space.axes import Float, Int
from tuner.search_space.grid import grid_points
from tuner.sklearn.build import built
from tuner.sklearn.estimator import KerasClassifier, KerasRegressor
from tuner.sklearn.param_grid import ParamGrid
from tuner.training.process import seed_worker
from tuner.trial.cells import Decision
from tuner.trial.keras_callback import report_callback
from tuner.trial.trial import Trial

FIT_NAMES = ("epochs", "batch_size")
"""Parameters that are the fit's, not the model's."""
FIT_TIME, SCORE_TIME = "fit_time", "score_time"
SINGLE = "score"
"""The name of a score that is the only one."""
ERROR_FILE = "error.pickle"
NOT_FINITE = "not_finite_"
"""Before a score's name: 0 for NaN, 1 and -1 for the infinities. The score itself is then FARTHEST,
as a study ends a trial whose metric is not finite and scikit-learn ranks it."""
FARTHEST = 1e300
PROBES = 3

Estimator = KerasClassifier | KerasRegressor
Scorer = Callable[..., Any]


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
    weights: Any = None,
    *,
    weigh_scores: bool = False,
    train_score: bool,
    every_epoch: bool,
    keep_errors: bool = False,
) -> Callable[[Trial], None]:
    """The training function: reports every epoch, the last one with the scores and times.

    The scores are called `test_<name>`, with `train_score` `train_<name>` too, and come with each
    epoch if a scheduler wants them. `weights` are those of all samples; with `weigh_scores` the
    scorer takes them too. With `keep_errors` what a
    fit raises is kept in the trial's folder, for the search to raise it again.
    """

    def fit_and_score(trial: Trial) -> None:
        if "keras" not in sys.modules:  # else this was done before us
            seed_worker(trial.seed, import_keras=True)
        data = trial.data
        estimator = make(grid.decode(trial.params))
        sample_weight = None if weights is None else data.train.cut(weights)

        def score(x: Any, y: Any, part: Part) -> Any:
            weighed = {"sample_weight": part.cut(weights)} if weigh_scores else {}
            return scorer(estimator, x, y, **weighed)

        def scores() -> dict[str, float]:
            found = _named("test", score(data.x_val, data.y_val, data.val))
            if train_score:
                found |= _named("train", score(data.x_train, data.y_train, data.train))
            return found | _searched(str(trial.metric), found)

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
        estimator.fit(
            data.x_train, data.y_train, callbacks=[reporting], sample_weight=sample_weight
        )
        fitted = time.perf_counter()
        if held:
            found = scores()
            times = {FIT_TIME: fitted - started, SCORE_TIME: time.perf_counter() - fitted}
            trial.report(trial.last_epoch + 1, {**held, **found, **times})

    @wraps(make.build_model)  # it is the user's module that must come along, not this one
    def train(trial: Trial) -> None:
        try:
            fit_and_score(trial)
        except Exception as error:
            if keep_errors:
                _keep(error, trial.folder / ERROR_FILE)
            raise

    return train


def _searched(metric: str, scores: Mapping[str, float]) -> dict[str, float]:
    """The score that decides, by the name that the study knows, where a function named it else."""
    given = [name.removeprefix("test_") for name in scores if name.startswith("test_")]
    if metric in scores or not metric.startswith("test_"):
        return {}
    if given == [SINGLE] or metric == f"test_{SINGLE}":
        return {metric: next(iter(scores.values()))}
    raise ExperimentError(
        f"{metric.removeprefix('test_')!r} is not among the scores that `scoring` gives: "
        f"{', '.join(given)}",
        field="refit",
        way_out="name one of them",
    )


@contextmanager
def raising_kept_error(folder: Path) -> Iterator[None]:
    """In the place of a StudyError, raise what the first failed fit raised, where it was kept."""
    try:
        yield
    except StudyError as error:
        kept = _kept_error(folder)
        if kept is None:
            raise
        raise kept from error


def _kept_error(folder: Path) -> Exception | None:
    """What the first failed fit below a folder raised, where it was kept."""
    for path in sorted(folder.rglob(ERROR_FILE)):
        try:
            # runs code: an error that this search's own workers kept
            error = pickle.loads(path.read_bytes())
        except Exception:  # noqa: BLE001  # an exception's own unpickling may raise anything
            continue
        if isinstance(error, Exception):
            return _as_known_here(error)
    return None


def _as_known_here(error: Exception) -> Exception:
    """The error as one of the class that this process knows: a worker may have had a copy of it."""
    copied = type(error)
    own = getattr(sys.modules.get(copied.__module__), copied.__qualname__, None)
    if isinstance(own, type) and own is not copied and issubclass(own, Exception):
        with suppress(TypeError):  # of another layout
            error.__class__ = own
    return error


def _keep(error: Exception, path: Path) -> None:
    try:
        content = cloudpickle.dumps(error.with_traceback(None))
    except Exception:  # noqa: BLE001  # it holds what cannot be pickled: its text is kept anyway
        return
    put_bytes(path, content)


def probe_model(build_model: Callable[..., Any], grid: ParamGrid, X: Any, y: Any) -> Any:
    """A model of the grid, to see its loss: of the first point that can be built; None of none."""
    for point in islice(_points(grid), PROBES):
        params = {name: v for name, v in grid.decode(point).items() if name not in FIT_NAMES}
        with seeded(0):
            try:
                model = built(build_model, X, y, params)
            except Exception:  # noqa: BLE001  # the fits will say what is wrong with this point
                continue
        return model if hasattr(model, "loss") else None
    return None


def _points(grid: ParamGrid) -> Iterator[dict[str, Any]]:
    """The grid's points; of axes without grid values, the one at their low ends."""
    try:
        yield from grid_points(grid.space)
    except SearchSpaceError:
        yield grid.space.draw(
            lambda name, axis: axis.low if isinstance(axis, Float | Int) else axis.grid[0]
        )


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


def _named(part: str, scores: Any) -> dict[str, float]:
    """Scores by their names in `cv_results_`, those that are not finite told by a code beside."""
    named = scores if isinstance(scores, Mapping) else {"score": scores}
    found: dict[str, float] = {}
    for name, given in named.items():
        score = float(given)
        if not math.isfinite(score):
            code = float(np.nan_to_num(score, nan=0, posinf=1, neginf=-1))
            found[f"{NOT_FINITE}{part}_{name}"] = code
            score = FARTHEST if code > 0 else -FARTHEST
        found[f"{part}_{name}"] = score
    return found

"""`TunerSearchCV`: scikit-learn's GridSearchCV for Keras models, its cells spread by Ray.

    def build_model(X, y, units=64, rate=0.001):
        model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(units, "relu"),
                                  keras.layers.Dense(y.shape[1], "softmax")])
        model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
        return model

    search = TunerSearchCV(build_model, {"units": [32, 64], "rate": [1e-3, 1e-2]}, epochs=5)
    search.fit(X, y)
    search.best_params_, search.best_score_, search.predict(X)

Importing this module imports scikit-learn and pandas; Ray and Keras wait for `fit`.
"""

from __future__ import annotations

import numbers
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import ClassifierTags, RegressorTags

from tuner.errors import ExperimentError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.sklearn.arguments import (
    Samples,
    check_error_score,
    checked_for,
    concurrency_of,
    fit_options,
    mode_overrides,
    samples_of,
    scorers_of,
    seed_of,
    splits_of,
    study_name,
    task_of,
    weighs,
)
from tuner.sklearn.best_estimator import ByBestEstimator
from tuner.sklearn.cv_results import check_fits, cv_results, tables
from tuner.sklearn.objective import (
    FIT_TIME,
    SCORE_TIME,
    SINGLE,
    EstimatorFactory,
    probe_model,
    raising_kept_error,
    scored_fit,
    seeded,
)
from tuner.sklearn.param_grid import ParamGrid, param_grid

if TYPE_CHECKING:
    from tuner.runner.finished import Finished


def _index(chosen: Any, candidates: int) -> int:
    """What a function given as `refit` chose, as GridSearchCV checks it."""
    if not isinstance(chosen, numbers.Integral):
        raise TypeError("best_index_ returned is not an integer")
    index = int(chosen)
    if not 0 <= index < candidates:
        raise IndexError("best_index_ index out of range")
    return index


class TunerSearchCV(ByBestEstimator):
    """Search over the parameters of a Keras model by cross-validation, then refit the best.

    `build_model(X=, y=, **params)` returns a compiled model, as for Keras' own wrappers: `y` comes
    as one-hot rows for a classifier and as columns for a regressor. It may do without X and y.

    `param_grid` is scikit-learn's, a dict of lists or a list of such dicts; with `mode="search"`
    its lists may be axes (`Float(1e-4, 1, log=True)`) and `trials` points are proposed by
    `sampler`, under `scheduler` and `fold_racing` if they are given. Parameters called `epochs`
    and `batch_size` go to the model's `fit`, in place of the arguments of these names.

    `task` is "classifier", "regressor", or "auto": what the loss of a model says, which is built
    for that, and else the values of `y`. Nothing knows the task before `fit` in "auto"; say it
    where this search is scored by another. A model's targets have the form that its loss wants:
    class numbers, 0 or 1, one-hot rows, several labels a sample.

    `cv`, `scoring`, `refit`, `error_score`, `return_train_score` and `n_jobs` are GridSearchCV's,
    but that `n_jobs=None` is one fit a CPU. `random_state` fixes initial weights and the order of
    samples, fit by fit: the same point gives the same numbers in any grid. `results` is a folder
    to keep the study in, with every epoch of every fit; `results_` holds its tables in any case.
    `address` is that of a running Ray cluster. A fit that fails, or diverges to NaN, is given
    `error_score`; the search goes on, unless the first three points all fail.

    Fitted: `best_params_`, `best_score_`, `best_index_`, `best_estimator_`, `cv_results_`,
    `n_splits_`, `refit_time_`, `scorer_`, `multimetric_`, `task_`, `results_`, and with the refit
    `classes_`, `n_features_in_`, `feature_names_in_`.
    """

    def __init__(
        self,
        build_model: Callable[..., Any],
        param_grid: Any,
        *,
        cv: Any = 3,
        scoring: Any = None,
        refit: Any = True,
        mode: str = "cv",
        epochs: int = 1,
        batch_size: int = 32,
        task: str = "auto",
        trials: int = 24,
        sampler: str | None = None,
        scheduler: str | None = None,
        fold_racing: str = "none",
        n_jobs: int | None = None,
        gpus_per_trial: float = 0.0,
        address: str | None = None,
        random_state: int | None = 0,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        results: str | Path | None = None,
        verbose: int = 0,
    ) -> None:
        self.build_model = build_model
        self.param_grid = param_grid
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.mode = mode
        self.epochs = epochs
        self.batch_size = batch_size
        self.task = task
        self.trials = trials
        self.sampler = sampler
        self.scheduler = scheduler
        self.fold_racing = fold_racing
        self.n_jobs = n_jobs
        self.gpus_per_trial = gpus_per_trial
        self.address = address
        self.random_state = random_state
        self.error_score = error_score
        self.return_train_score = return_train_score
        self.results = results
        self.verbose = verbose

    def fit(self, X: Any, y: Any, *, groups: Any = None, **fit_params: Any) -> TunerSearchCV:
        """Search, then fit the best on all of `X` and `y`. `fit_params` go to the models' `fit`.

        Raises a TunerError for what cannot be searched, and StudyError where no point could be
        fitted on every split.
        """
        grid = param_grid(self.param_grid)
        check_error_score(self.error_score)
        fit_params = dict(fit_params)
        samples = samples_of(X, y, fit_params.pop("sample_weight", None))
        self.task_ = task_of(
            self.task, samples, lambda rows: probe_model(self.build_model, grid, samples.x, rows)
        )
        samples = checked_for(self.task_, samples)
        folds = splits_of(self.cv, self.task_, X, samples.y, groups)
        self.n_splits_ = len(folds)
        make = EstimatorFactory(
            self.build_model, self.task_, **fit_options(self.epochs, self.batch_size, fit_params)
        )
        scorers = scorers_of(self.scoring, self.refit, make({}))
        self.scorer_, self.multimetric_ = scorers.shown, scorers.several
        train = scored_fit(
            make,
            grid,
            scorers.scorer,
            samples.weights,
            weigh_scores=samples.weights is not None and weighs(scorers.shown),
            train_score=self.return_train_score,
            every_epoch=self.scheduler not in (None, "none"),
            keep_errors=isinstance(self.error_score, str),
        )
        finished = self._run(self._experiment(train, grid, make, samples, folds, scorers.decides))
        self._keep(finished, grid, scorers.decides)
        if self.refit:
            started = time.perf_counter()
            # From the initial weights of its first fold, as `tuner refit` does.
            with seeded(finished.study.records[self.best_index_].seed):
                self.best_estimator_ = make(self.best_params_).fit(
                    X, samples.y, sample_weight=samples.weights
                )
            self.refit_time_ = time.perf_counter() - started
        return self

    def _experiment(
        self,
        train: Callable[..., Any],
        grid: ParamGrid,
        make: EstimatorFactory,
        samples: Samples,
        folds: list[Any],
        decides: str,
    ) -> Experiment:
        several = len(folds) > 1
        return Experiment(
            name=study_name(self.build_model),
            space=grid.space,
            objective=train,
            metric=f"test_{decides}",
            direction="maximize",  # scikit-learn's scorers are all better when higher
            mode="cv" if several else {"cv": "grid"}.get(self.mode, "search"),
            epochs=None if "epochs" in grid.names.values() else make.epochs,
            dataset=lambda: samples.dataset(folds),
            folds=len(folds) if several else 2,
            fold_racing=self.fold_racing,
            trials=self.trials,
            retries=0,
            seed=seed_of(self.random_state),
            concurrency=concurrency_of(self.n_jobs),
            gpus_per_trial=self.gpus_per_trial,
        )

    def _run(self, experiment: Experiment) -> Finished:
        """Run the study, in a folder that is kept or not."""
        from rich.console import Console

        from tuner.results.ending import what_mattered
        from tuner.runner.display import Display
        from tuner.runner.request import Request
        from tuner.runner.run import run_study
        from tuner.sklearn.search_results import load_results

        overrides = mode_overrides(self.mode, self.sampler, self.scheduler)
        with ExitStack() as stack:
            folder = self.results or stack.enter_context(tempfile.TemporaryDirectory())
            stack.enter_context(raising_kept_error(Path(folder)))
            request = Request(
                experiment, results=str(folder), address=self.address, overrides=overrides
            )
            display = Display(Console() if self.verbose else None)
            finished = run_study(request, display)
            if self.results is not None and (mattered := what_mattered(finished)):
                display.line(mattered)
            self.results_ = load_results(finished.path)
            if self.error_score == "raise":
                check_fits(finished.study.records, self.n_splits_, self.error_score)
        return finished

    def _keep(self, finished: Finished, grid: ParamGrid, decides: str) -> None:
        """Read what the study found into scikit-learn's attributes."""
        records = finished.study.records
        check_fits(records, self.n_splits_, self.error_score)
        found = tables(records, self.results_.reports, self.n_splits_, self.error_score)
        times = {name: found.pop(name) for name in (FIT_TIME, SCORE_TIME)}
        test, train = (
            {n.removeprefix(part): v for n, v in found.items() if n.startswith(part)}
            for part in ("test_", "train_")
        )
        if callable(self.scoring):
            if set(test) <= {SINGLE, decides}:  # it gave a number
                decides = SINGLE
                test = {SINGLE: test[SINGLE]}
            else:  # it gave several scores by name
                self.multimetric_ = True
                test = {name: table for name, table in test.items() if name != SINGLE}
                self._check_names_one(test)
        candidates = [grid.decode(record.params) for record in records]
        self.cv_results_ = cv_results(candidates, times, test, train)
        if self.multimetric_ and not self.refit:
            return
        if callable(self.refit):
            self.best_index_ = _index(self.refit(self.cv_results_), len(candidates))
        else:
            means = self.cv_results_[f"mean_test_{decides}"]
            if np.isnan(means).all():
                raise StudyError("no point has a score on every split, so there is no best one")
            self.best_index_ = int(self.cv_results_[f"rank_test_{decides}"].argmin())
            self.best_score_ = float(means[self.best_index_])
        self.best_params_ = candidates[self.best_index_]

    def _check_names_one(self, scores: Mapping[str, Any]) -> None:
        """Raises ExperimentError where `refit` names none of a function's several scores."""
        if self.refit and not callable(self.refit) and self.refit not in scores:
            raise ExperimentError(
                f"{self.refit!r} is not among the scores that `scoring` gives: {', '.join(scores)}",
                field="refit",
                way_out="name one of them, or give a function of cv_results_, or False",
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        task = getattr(self, "task_", self.task)
        tags.estimator_type = None if task == "auto" else task
        if task == "classifier":
            tags.classifier_tags = ClassifierTags()
        elif task == "regressor":
            tags.regressor_tags = RegressorTags()
            tags.target_tags.multi_output = True
        tags.target_tags.required = True
        tags.non_deterministic = self.random_state is None
        return tags

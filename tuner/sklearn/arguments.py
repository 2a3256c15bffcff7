"""What `TunerSearchCV` makes of its arguments; ExperimentError for what it refuses."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from tuner.cluster.resources import available_cpus
from tuner.data.datasets import Dataset
from tuner.errors import ExperimentError
from tuner.experiment.checks import NAME_RULE
from tuner.options import check_whole
from tuner.search_space.values import python_value
from tuner.sklearn.objective import SINGLE
from tuner.sklearn.sklearn_internals import checked_weights, takes_weights
from tuner.sklearn.targets import checked_pair, labels_of, task_by

TASKS = ("auto", "classifier", "regressor")
SEARCH_MODES = ("cv", "search")


@dataclass(frozen=True)
class Samples:
    """What was given as X and y, checked; `weights` are the samples' own, or None."""

    x: Any
    y: Any
    weights: Any = None

    def dataset(self, folds: Any) -> Dataset:
        """The samples as they are, with the splitter's folds; the test part is never looked at."""
        return Dataset("X, y", self.x, self.y, self.x[:1], self.y[:1], folds=folds, ready=True)


def samples_of(X: Any, y: Any, weights: Any) -> Samples:
    """X and y as scikit-learn checks them; targets may have any shape, and keep it.

    Raises ExperimentError for an X of several inputs.
    """
    named = isinstance(X, Mapping) and not hasattr(X, "toarray")  # some sparse matrices are, too
    several = named or (
        isinstance(X, list | tuple)
        and len(X) > 1
        and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in X)
        and len(X) != len(y)
    )
    if several:
        raise ExperimentError(
            f"X holds {len(X)} inputs, and a search has one array of samples; join them "
            "(np.concatenate along axis 1) and cut them apart in the model, or search such a model "
            "by tuner.run, with a training function"
        )
    x, y = checked_pair(X, y)
    return Samples(x, y, None if weights is None else checked_weights(weights, x))


def splits_of(cv: Any, task: str, X: Any, y: Any, groups: Any) -> list[Any]:
    """The splitter's folds. Raises ExperimentError where it has none, or other than it says."""
    splitter = check_cv(cv, y, classifier=task == "classifier")
    folds = list(splitter.split(X, y, groups))
    said = splitter.get_n_splits(X, y, groups)
    if not folds:
        raise ExperimentError(
            "the splitter gave no split, so there is nothing to fit",
            field="cv",
            way_out="was it a generator that something has emptied?",
        )
    if len(folds) != said:
        raise ExperimentError(
            f"{type(splitter).__name__}.split gave {len(folds)} splits and get_n_splits says "
            f"{said}; they must agree",
            field="cv",
        )
    return folds


def checked_for(task: str, samples: Samples) -> Samples:
    """The samples as a task takes them. Raises ValueError for targets that are not the task's."""
    if task == "regressor":
        checked_pair(samples.x, samples.y, y_numeric=True)
        return samples
    if samples.y.ndim == 2 and samples.y.shape[1] == 1:
        samples = replace(samples, y=column_or_1d(samples.y, warn=True))
    labels_of(samples.y)
    return samples


def task_of(task: str, samples: Samples, build: Callable[[Any], Any]) -> str:
    """classifier or regressor; in "auto", what a model's loss and y's values say.

    `build(rows)` makes a model for one-hot rows, or None: the first that the grid can.
    """
    if task not in TASKS:
        raise ExperimentError(f"task {task!r} is not one of {', '.join(TASKS)}")
    if task != "auto":
        return task
    kind = type_of_target(samples.y)
    if samples.y.dtype.kind not in "buif" or kind.startswith("continuous"):
        return task_by(None, samples.y)
    rows = samples.y if kind == "multiclass-multioutput" else labels_of(samples.y).rows
    return task_by(build(rows), samples.y)


def mode_overrides(mode: str, sampler: str | None, scheduler: str | None) -> dict[str, str]:
    """The sampler and scheduler of the study, as if typed."""
    if mode not in SEARCH_MODES:
        raise ExperimentError(f"mode {mode!r} is not one of {', '.join(SEARCH_MODES)}")
    chosen = {"scheduler": scheduler or "none"}
    if mode == "search":
        return {**chosen, "sampler": sampler or "tpe"}
    if sampler is not None:
        raise ExperimentError(
            f"mode 'cv' runs every point, so sampler {sampler!r} has nothing to propose; "
            "drop it, or take mode='search'"
        )
    return chosen


def check_error_score(error_score: Any) -> None:
    """Raises ExperimentError for what is neither 'raise' nor a number."""
    number = isinstance(error_score, numbers.Real) and not isinstance(error_score, bool)
    if error_score != "raise" and not number:
        raise ExperimentError(
            f"{error_score!r} must be a number, NaN among them, or 'raise'", field="error_score"
        )


def fit_options(epochs: int, batch_size: int, fit_params: Mapping[str, Any]) -> dict[str, Any]:
    """What every fit is given; epochs and batch_size may come with `fit`, as to GridSearchCV's."""
    rest = dict(fit_params)
    epochs, batch_size = rest.pop("epochs", epochs), rest.pop("batch_size", batch_size)
    if batch_size is not None:  # Keras' own, then
        batch_size = python_value(batch_size)
        check_whole("batch_size", batch_size, 1)
    return {"epochs": epochs, "batch_size": batch_size, "fit_params": rest}


@dataclass(frozen=True)
class Scorers:
    """`scorer(estimator, X, y)` gives a number, or several by name, of which one `decides`.

    `shown` is what scikit-learn shows as `scorer_`.
    """

    scorer: Callable[..., Any]
    shown: Any
    decides: str
    several: bool


def scorers_of(scoring: Any, refit: Any, estimator: Any) -> Scorers:
    """How estimators are scored, and by which score they are ranked."""
    if scoring is None:
        scoring = "accuracy" if is_classifier(estimator) else "r2"
    if not isinstance(scoring, list | tuple | set | dict):
        scorer = check_scoring(estimator, scoring)
        # A function may turn out to give several scores by name.
        decides = refit if isinstance(refit, str) and callable(scoring) else SINGLE
        return Scorers(scorer, scorer, decides, several=False)
    named = scoring if isinstance(scoring, dict) else {name: name for name in scoring}
    if refit and not callable(refit) and refit not in named:
        raise ExperimentError(
            f"refit {refit!r} names none of several scores; give one of {', '.join(named)}, "
            "a function of cv_results_, or False"
        )
    return Scorers(
        check_scoring(estimator, scoring),
        {name: check_scoring(estimator, one) for name, one in named.items()},
        refit if isinstance(refit, str) else next(iter(named)),
        several=True,
    )


def weighs(shown: Any) -> bool:
    """Whether any of the scorers takes the samples' weights; a warning for each that does not."""
    scorers = shown if isinstance(shown, dict) else {"scoring": shown}
    takes = {name: takes_weights(scorer) for name, scorer in scorers.items()}
    for name in (name for name, taken in takes.items() if not taken):
        warnings.warn(
            f"the scoring {name}={scorers[name]} does not support sample_weight: its scores count "
            "each sample once, though the fits do not",
            UserWarning,
            stacklevel=3,
        )
    return any(takes.values())


def study_name(build_model: Callable[..., Any]) -> str:
    """The function's name, where it has one that a folder may have."""
    name = getattr(build_model, "__name__", "")
    return name if NAME_RULE.match(name) else "search"


def seed_of(random_state: Any) -> int:
    """A study's seed; of None, one that nobody knows before. ExperimentError for what is none."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**32))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    seed = python_value(random_state)
    check_whole("random_state", seed, 0)
    return int(seed)


def concurrency_of(n_jobs: int | None) -> int | None:
    """How many fits at a time; None for one a CPU. Negative numbers count from all CPUs down.

    Raises ExperimentError for 0 and for what is not a whole number.
    """
    if n_jobs is None or n_jobs == -1:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0:
        raise ExperimentError(
            f"{n_jobs!r} must be a whole number other than 0",
            field="n_jobs",
            way_out="leave it out for one fit a CPU",
        )
    n_jobs = int(n_jobs)
    return n_jobs if n_jobs >= 0 else max(1, available_cpus() + 1 + n_jobs)

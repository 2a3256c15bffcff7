"""TunerSearchCV on a real Ray with real Keras models; three searches for the whole file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.cells import digits
from tuner import Float
from tuner.errors import ExperimentError, SearchSpaceError, StudyError
from tuner.sklearn.estimator import KerasClassifier
from tuner.sklearn.search import TunerSearchCV, _index

DATA = digits()
X, Y = DATA.x_train.reshape(300, 64), np.array(list("abcdefghij"))[DATA.y_train]


def classifier(X: Any, y: Any, units: int = 4, rate: float = 0.01) -> Any:
    """The same model for the same parameters, whatever the seed; without units it fails."""
    import keras
    from keras import layers

    if not units:
        raise ValueError("no units")
    one, two = (keras.initializers.GlorotUniform(seed) for seed in (1, 2))
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            layers.Dense(units, "tanh", kernel_initializer=one),
            layers.Dense(y.shape[1], "softmax", kernel_initializer=two),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
    return model


def regressor(X: Any, y: Any, rate: float = 0.1, bias: bool = True) -> Any:
    import keras

    model = keras.Sequential(
        [keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], use_bias=bias)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


# ------------------------------------------------------------------ beside GridSearchCV

POINTS = [{"rate": rate, "units": units} for rate in (0.01, 0.1) for units in (0, 16)]


@pytest.fixture(scope="module")
def beside() -> tuple[TunerSearchCV, Any]:
    """The same grid by both. Whole batches, so that the order of samples is of no matter."""
    import keras

    grid = {"units": [0, 16], "rate": [0.01, 0.1]}
    ours = TunerSearchCV(classifier, grid, epochs=5, batch_size=300)
    wrapper = keras.wrappers.SKLearnClassifier(model=classifier)
    theirs = GridSearchCV(wrapper, {"model_kwargs": POINTS}, cv=3)
    with pytest.warns(FitFailedWarning, match="6 failed and 0 diverged, out of 12 fits"):
        ours.fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, Y, epochs=5, batch_size=300, verbose=0)
    return ours, theirs


def test_scores_and_ranks_are_grid_searchs(beside: tuple[TunerSearchCV, Any]) -> None:
    ours, theirs = beside
    assert ours.n_splits_ == theirs.n_splits_ == 3
    assert ours.cv_results_["params"] == POINTS
    for key, expected in theirs.cv_results_.items():
        if "score" in key and "time" not in key and "rank" not in key:
            # One sample of a split's 100 may fall on the other side.
            np.testing.assert_allclose(ours.cv_results_[key], expected, atol=0.011, err_msg=key)
    np.testing.assert_array_equal(
        ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
    )
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_params_ == theirs.best_params_["model_kwargs"]
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=0.011)


def test_its_columns_are_grid_searchs(beside: tuple[TunerSearchCV, Any]) -> None:
    ours, theirs = beside
    keys = list(theirs.cv_results_)
    at = keys.index("param_model_kwargs")
    assert list(ours.cv_results_) == [*keys[:at], "param_rate", "param_units", *keys[at + 1 :]]
    for key, expected in theirs.cv_results_.items():
        if key not in ("params", "param_model_kwargs"):
            assert ours.cv_results_[key].dtype == expected.dtype, key
    assert ours.cv_results_["param_units"].dtype == np.int64
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [True, False] * 2
    assert (ours.cv_results_["mean_fit_time"][[1, 3]] > 0).all()


def test_it_predicts_as_its_best_estimator(beside: tuple[TunerSearchCV, Any]) -> None:
    ours, theirs = beside
    assert ours.classes_.tolist() == list("abcdefghij")
    assert ours.n_features_in_ == 64
    assert not hasattr(ours, "feature_names_in_")
    x_val = DATA.x_val.reshape(100, 64)
    assert ours.predict(x_val).tolist() == ours.best_estimator_.predict(x_val).tolist()
    assert np.mean(ours.predict(x_val) == theirs.predict(x_val)) > 0.97
    assert ours.predict_proba(x_val).shape == (100, 10)
    assert ours.score(X, Y) == pytest.approx(np.mean(ours.predict(X) == Y))
    assert ours.refit_time_ > 0
    assert is_classifier(ours)


def test_its_results_leave_refit_and_scores_to_the_search(
    beside: tuple[TunerSearchCV, Any],
) -> None:
    results = beside[0].results_
    with pytest.raises(StudyError, match="which it refits itself; take its `best_estimator_`"):
        results.refit()
    with pytest.raises(StudyError, match="which it scores itself; take its `best_estimator_`"):
        results.test_score()
    assert repr(results).startswith("Results(")


def test_every_epoch_of_every_fit_is_kept(beside: tuple[TunerSearchCV, Any]) -> None:
    results = beside[0].results_
    assert results.trials["state"].tolist() == ["FAILED", "COMPLETE"] * 2
    assert "no units" in results.trials["error"][0]
    assert len(results.reports) == 2 * 3 * 5
    means = beside[0].cv_results_["mean_test_score"]
    np.testing.assert_allclose(results.trials["value"].astype(float), means)


# ------------------------------------------------------- a pipeline, groups, several scores


def test_a_regressor_in_a_pipeline_with_groups_and_several_scores() -> None:
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x, y = x[:120], y[:120] / 100
    groups = np.arange(120) % 2
    scoring = ["r2", "neg_mean_absolute_error"]
    grid = [{"epochs": [1, 5]}, {"bias": [False], "rate": [0.5], "batch_size": [120]}]
    search = TunerSearchCV(regressor, grid, cv=GroupKFold(2), scoring=scoring, refit="r2")
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), search)
    pipeline.fit(x, y, tunersearchcv__groups=groups, tunersearchcv__batch_size=60)
    results = search.cv_results_
    assert search.n_splits_ == 2
    assert results["params"] == [
        {"epochs": 1},
        {"epochs": 5},
        {"batch_size": 120, "bias": False, "rate": 0.5},
    ]
    assert results["param_epochs"].mask.tolist() == [False, False, True]
    assert search.results_.reports.groupby("trial")["epoch"].max().tolist() == [1, 5, 1]
    assert "split1_test_neg_mean_absolute_error" in results
    assert search.multimetric_
    assert search.best_params_ == results["params"][results["rank_test_r2"].argmin()]
    assert search.best_score_ == results["mean_test_r2"].max()
    assert pipeline.predict(x).shape == (120,)
    assert pipeline.score(x, y) == pytest.approx(search.scorer_["r2"](pipeline, x, y))
    assert search.feature_names_in_.tolist() == list(x.columns)
    assert is_regressor(search)
    assert not hasattr(search, "predict_proba")


# ------------------------------------------------------------------------ a sampler's search


def test_a_search_over_axes_on_one_split_under_a_scheduler(tmp_path: Path) -> None:
    search = TunerSearchCV(
        classifier,
        {"rate": Float(1e-3, 1.0, log=True), "units": [8, 16]},
        cv=ShuffleSplit(1, random_state=0),
        mode="search",
        scheduler="asha_stopping",
        trials=4,
        epochs=9,
        n_jobs=1,
        refit=False,
        results=tmp_path,
    )
    search.fit(X, Y)
    trials = pd.read_parquet(tmp_path / "classifier" / "trials.parquet")
    stopped = trials["state"] == "STOPPED"
    assert set(trials["state"]) == {"COMPLETE", "STOPPED"}
    assert trials["epochs"][~stopped].eq(9).all()
    scores = search.cv_results_["split0_test_score"]
    assert np.isnan(scores).tolist() == stopped.tolist()
    assert search.best_score_ == trials["value"][~stopped].max()
    assert search.best_params_ == search.cv_results_["params"][search.best_index_]
    assert 1e-3 <= search.best_params_["rate"] <= 1.0
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "predict")


# ------------------------------------------------------------------------------- without Ray


def test_it_is_a_scikit_learn_estimator() -> None:
    search = TunerSearchCV(classifier, {"units": [1]}, cv=5, task="classifier")
    copied = clone(search)
    assert copied is not search
    assert copied.get_params() == search.get_params()
    assert copied.set_params(epochs=3).epochs == 3
    assert is_classifier(search)
    assert not is_classifier(TunerSearchCV(classifier, {}))
    assert is_regressor(TunerSearchCV(regressor, {}, task="regressor"))
    assert hasattr(search, "predict_proba")
    assert "TunerSearchCV" in repr(search)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        search.predict(X)
    with pytest.raises(AttributeError, match="best_estimator_"):
        _ = search.classes_


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "grid"}, ExperimentError, "mode 'grid' is not one of cv, search"),
        ({"sampler": "tpe"}, ExperimentError, "mode 'cv' runs every point, so sampler 'tpe'"),
        ({"task": "cluster"}, ExperimentError, "task 'cluster' is not one of auto, classifier"),
        ({"scoring": ["accuracy"]}, ExperimentError, "refit True names none of several scores"),
        ({"n_jobs": 0}, ExperimentError, "n_jobs: 0 must be a whole number other than 0; leave"),
        ({"n_jobs": 1.5}, ExperimentError, "n_jobs: 1.5 must be a whole number"),
        ({"n_jobs": "4"}, ExperimentError, "n_jobs: '4' must be a whole number"),
        ({"random_state": -1}, ExperimentError, "random_state: -1 must be a whole number"),
        ({"random_state": "a"}, ExperimentError, "random_state: 'a' must be a whole number"),
        ({"batch_size": 0}, ExperimentError, "batch_size: 0 must be a whole number of at least 1"),
        ({"error_score": "nan"}, ExperimentError, "error_score: 'nan' must be a number, NaN"),
        ({"error_score": None}, ExperimentError, "error_score: None must be a number"),
        ({"epochs": 0}, ExperimentError, "epochs: 0 must be"),
        ({"param_grid": {"units": 3.5, "x": Float(0, 1)}}, SearchSpaceError, "no grid values"),
    ],
)
def test_what_it_refuses_it_names(options: Any, error: type[Exception], message: str) -> None:
    search = TunerSearchCV(**{"build_model": classifier, "param_grid": {"units": [1]}, **options})
    with pytest.raises(error, match=message):
        search.fit(X, Y)


@pytest.mark.parametrize("several", [{"a": X, "b": X}, [X, X[:, :3]]])
def test_a_model_of_several_inputs_is_searched_elsewhere(several: Any) -> None:
    with pytest.raises(ExperimentError, match=r"X holds 2 inputs, .* search such a model by tuner"):
        TunerSearchCV(classifier, {"units": [1]}).fit(several, Y)


# ------------------------------------------------------------ equal to GridSearchCV, to a number


def binary(X: Any, y: Any, rate: float = 0.05) -> Any:
    """One sigmoid, always the same weights."""
    import keras

    zeros = keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input(X.shape[1:]), zeros])
    model.compile(keras.optimizers.SGD(rate), "binary_crossentropy")
    return model


def two_scores(estimator: Any, x: Any, y: Any) -> dict[str, float]:
    """Scores by names that nobody knows before; one of them is infinite on every split."""
    return {"right": float((estimator.predict(x) == y).mean()), "worst": -np.inf}


X2, Y2 = X[Y < "c"], (Y[Y < "c"] == "a").astype(float)


@pytest.fixture(scope="module")
def equal() -> tuple[TunerSearchCV, Any]:
    """The same estimator in both, with weights, and a function's scores and choice."""
    rates = [0.01, 0.5]
    weights = np.linspace(0.1, 2, len(Y2))

    def second(results: Any) -> Any:
        return np.int64(1)

    options: dict[str, Any] = {"cv": 3, "scoring": two_scores, "return_train_score": True}
    ours = TunerSearchCV(
        binary, {"rate": rates}, epochs=3, batch_size=len(Y2), refit=second, **options
    )
    wrapper = KerasClassifier(binary, epochs=3, batch_size=len(Y2))
    points = [{"rate": rate} for rate in rates]
    theirs = GridSearchCV(wrapper, {"params": points}, refit=second, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours.fit(X2, Y2, sample_weight=weights)
        theirs.fit(X2, Y2, sample_weight=weights)
    return ours, theirs


def test_all_numbers_are_grid_searchs(equal: tuple[TunerSearchCV, Any]) -> None:
    ours, theirs = equal
    assert ours.task_ == "classifier"  # of labels 0.0 and 1.0
    assert ours.multimetric_
    assert theirs.multimetric_
    numbers = [k for k in theirs.cv_results_ if "time" not in k and "param" not in k]
    assert {k for k in ours.cv_results_ if "time" not in k and "param" not in k} == set(numbers)
    for key in numbers:
        np.testing.assert_allclose(
            ours.cv_results_[key], theirs.cv_results_[key], rtol=1e-12, err_msg=key
        )
    assert (ours.cv_results_["mean_test_worst"] == -np.inf).all()
    assert ours.best_index_ == theirs.best_index_ == 1
    np.testing.assert_array_equal(ours.predict(X2), theirs.predict(X2))
    np.testing.assert_allclose(
        ours.best_estimator_.predict_proba(X2), theirs.best_estimator_.predict_proba(X2), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        (2, IndexError, "out of range"),
        (-1, IndexError, "out of range"),
        ("1", TypeError, "integer"),
    ],
)
def test_what_a_function_may_choose_is_what_grid_search_takes(
    chosen: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"best_index_ .*{message}"):
        _index(chosen, 2)


class Unhappy(Exception):
    """An error of the user's own."""


def unhappy(X: Any, y: Any, units: int = 1) -> Any:
    raise Unhappy("no model today")


def test_error_score_raise_raises_the_users_own_error() -> None:
    with pytest.raises(Unhappy, match="no model today"):
        TunerSearchCV(unhappy, {"units": [1]}, error_score="raise", cv=2).fit(X, Y)

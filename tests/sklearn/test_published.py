"""scikit-learn's published tests of GridSearchCV and RandomizedSearchCV, of TunerSearchCV.

Each has the name that it has in `sklearn/model_selection/tests/test_search.py`. Their estimators
become the `build_model` of `tests.sklearn.least`, whose numbers are always the same, so that what a
fit gives can be computed beside. Those that do not apply stand in NOT_OURS, each with its reason.
"""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.model_selection
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_blobs, make_classification, make_multilabel_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    make_scorer,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from tests.sklearn.here import without_ray
from tests.sklearn.least import classifier, failing, regressor
from tuner import Float
from tuner.errors import ExperimentError, ResultsError, SearchSpaceError, StudyError
from tuner.sklearn.estimator import KerasClassifier
from tuner.sklearn.search import TunerSearchCV

AN_ESTIMATOR = "what is searched is a build_model, no estimator with parts and methods of its own"
THEIRS = "it tests another class or function of scikit-learn's"
NEEDS_Y = "a network is trained towards y, and scored by its predictions"
NOT_OURS = {
    "test_validate_parameter_input": THEIRS,
    "test_parameter_grid": THEIRS + "; tests/sklearn/test_param_grid.py compares with it",
    "test_grid_search_pipeline_steps": AN_ESTIMATOR,
    "test_grid_search_no_score": "our estimators have a score method",
    "test_grid_search_sparse_scoring": "sparse samples are refused: test_grid_search_sparse",
    "test_grid_search_precomputed_kernel": "a network takes no kernel",
    "test_grid_search_precomputed_kernel_error_nonsquare": "a network takes no kernel",
    "test_unsupervised_grid_search": NEEDS_Y,
    "test_gridsearch_no_predict": NEEDS_Y,
    "test_param_sampler": THEIRS,
    "test_search_cv_score_samples_method": AN_ESTIMATOR,
    "test_grid_search_allows_nans": "a network learns nothing of NaN, and samples with it are "
    "refused before any fit",
    "test_parameters_sampler_replacement": THEIRS,
    "test_stochastic_gradient_loss_param": AN_ESTIMATOR,
    "test_transform_inverse_transform_round_trip": AN_ESTIMATOR,
    "test_custom_run_search": "it is no base class: samplers are registered by name",
    "test__custom_fit_no_run_search": "it is no base class: samplers are registered by name",
    "test_search_cv_pairwise_property_delegated_to_base_estimator": "a network takes no kernel",
    "test_search_cv__pairwise_property_delegated_to_base_estimator": "a network takes no kernel",
    "test_search_cv_pairwise_property_equivalence_of_precomputed": "a network takes no kernel",
    "test_search_cv_using_minimal_compatible_estimator": AN_ESTIMATOR,
    "test_search_cv_verbose_3": "verbose prints what `tuner run` prints",
    "test_search_estimator_param": AN_ESTIMATOR,
    "test_search_html_repr": AN_ESTIMATOR,
    "test_multi_metric_search_forwards_metadata": "metadata routing is not taken: sample_weight "
    "and groups are named",
    "test_search_with_estimators_issue_29157": AN_ESTIMATOR,
    "test_array_api_search_cv_classifier": "samples are NumPy arrays",
    "test_yield_masked_array_for_each_param": THEIRS,
    "test_yield_masked_array_no_runtime_warning": THEIRS,
    "test_search_callbacks_no_propagation": "callbacks are Keras' own, by fit",
    "test_search_callbacks_propagation": "callbacks are Keras' own, by fit",
    "test_search_callbacks_receive_sample_weight": "callbacks are Keras' own, by fit",
    "test_search_callbacks_receive_search_instance": "callbacks are Keras' own, by fit",
    "test_search_callbacks_with_partial_fit_failures": "callbacks are Keras' own, by fit",
}

X = np.array([[-1.0, -1], [-2, -1], [1, 1], [2, 1]])
Y = np.array([1, 1, 2, 2])
TENS, HALVES = np.arange(100.0).reshape(10, 10), np.array([0] * 5 + [1] * 5)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ray(monkeypatch)


def search(build: Any, grid: Any, **options: Any) -> TunerSearchCV:
    return TunerSearchCV(build, grid, **{"cv": 2, **options})


def beside(build: Any, grid: dict[str, list[Any]], **options: Any) -> GridSearchCV:
    """GridSearchCV over the very estimator that TunerSearchCV fits; one parameter."""
    ((name, values),) = grid.items()
    points = [{name: value} for value in values]
    return GridSearchCV(KerasClassifier(build), {"params": points}, **{"cv": 2, **options})


def scores_of(results: Any) -> dict[str, Any]:
    return {k: v for k, v in results.items() if "time" not in k and "param" not in k}


def test_each_published_test_is_here_or_has_a_reason() -> None:
    where = Path(inspect.getfile(sklearn.model_selection)).parent / "tests" / "test_search.py"
    tree = ast.parse(where.read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    published = {name for name in functions if name.startswith("test")}
    assert {name for name in published if name not in NOT_OURS} <= set(globals())
    assert set(NOT_OURS).isdisjoint(globals())


def test_grid_search() -> None:
    done = search(classifier, {"ridge": [1e-3, 1.0, 10.0]}).fit(X, Y)
    assert done.best_estimator_.params == {"ridge": 1e-3}  # the first of equals
    assert_array_equal(done.cv_results_["param_ridge"].data, [1e-3, 1.0, 10.0])
    assert done.score(X, Y) == 1.0
    assert done.predict_proba(X).shape == (4, 2)
    assert set(done.predict(X)) == {1, 2}
    with pytest.raises(ValueError, match="scoring"):
        search(classifier, {"ridge": [1.0]}, scoring="sklearn").fit(X, Y)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_SearchCV_with_fit_params() -> None:  # scikit-learn's name for it
    each = search(classifier, {"ridge": [1, 2, 3]}, error_score="raise")
    with pytest.raises(TypeError, match="unexpected keyword argument 'spam'"):
        each.fit(TENS, HALVES, spam=np.ones(10))
    with pytest.raises(ValueError, match=r"sample_weight\.shape"):
        each.fit(TENS, HALVES, sample_weight=np.ones(1))
    each.fit(TENS, HALVES, sample_weight=np.ones(10), class_weight="balanced")


def test_grid_search_score_method() -> None:
    x, y = make_classification(n_samples=100, n_classes=2, flip_y=0.2, random_state=0)
    plain, accuracy, auc = (
        search(classifier, {"ridge": [0.1]}, scoring=scoring).fit(x, y)
        for scoring in (None, "accuracy", "roc_auc")
    )
    assert plain.score(x, y) == accuracy.score(x, y) == accuracy_score(y, accuracy.predict(x)) < 1
    assert auc.score(x, y) == roc_auc_score(y, auc.predict_proba(x)[:, 1]) != plain.score(x, y)


@pytest.mark.parametrize(
    "cv", [LeaveOneGroupOut(), LeavePGroupsOut(2), GroupKFold(n_splits=3), GroupShuffleSplit()]
)
def test_grid_search_groups(cv: Any) -> None:
    x, y = make_classification(n_samples=15, n_classes=2, random_state=0)
    with pytest.raises(ValueError, match="'groups' parameter should not be None"):
        search(classifier, {"ridge": [1]}, cv=cv).fit(x, y)
    groups = np.random.RandomState(0).randint(0, 3, 15)
    done = search(classifier, {"ridge": [1]}, cv=cv).fit(x, y, groups=groups)
    assert done.n_splits_ == cv.get_n_splits(x, y, groups)
    for other in (StratifiedKFold(2), StratifiedShuffleSplit(2)):
        search(classifier, {"ridge": [1]}, cv=other).fit(x, y)


def test_classes__property() -> None:
    grid = {"ridge": [0.1, 1, 10]}
    done = search(classifier, grid)
    assert not hasattr(done, "classes_")
    done.fit(TENS, HALVES)
    assert_array_equal(done.best_estimator_.classes_, done.classes_)
    assert not hasattr(search(regressor, grid, task="regressor").fit(TENS, HALVES), "classes_")
    assert not hasattr(search(classifier, grid, refit=False).fit(TENS, HALVES), "classes_")


def test_trivial_cv_results_attr() -> None:
    for grid in ({"ridge": [1]}, {}):
        done = search(classifier, grid).fit(X, Y)
        assert len(done.cv_results_["params"]) == 1
    random = search(classifier, {"ridge": [1]}, mode="search", sampler="random", trials=1)
    assert random.fit(X, Y).cv_results_["params"] == [{"ridge": 1}]


def test_no_refit() -> None:
    done = search(classifier, {"ridge": [1, 2, 3]}, refit=False).fit(X, Y)
    assert not hasattr(done, "best_estimator_")
    assert done.best_params_ == {"ridge": 1}
    assert done.best_index_ == 0
    for name in ("predict", "predict_proba", "transform", "inverse_transform"):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
            getattr(done, name)
    scoring = {"acc": "accuracy", "prec": "precision"}
    for refit in (True, "recall", "accuracy"):
        with pytest.raises(ExperimentError, match="names none of several scores; give one of acc"):
            search(classifier, {}, refit=refit, scoring=scoring).fit(X, Y)


def test_grid_search_error() -> None:
    x, y = make_classification(n_samples=200, n_features=100, random_state=0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        search(classifier, {"ridge": [0.1, 1.0]}).fit(x[:180], y)


def test_grid_search_one_grid_point() -> None:
    x, y = make_classification(n_samples=200, n_features=100, random_state=0)
    done = search(classifier, {"ridge": [0.1], "more": ["rbf"]}).fit(x, y)
    plain = KerasClassifier(classifier, params={"ridge": 0.1}).fit(x, y)
    assert_array_equal(plain.model_.solved, done.best_estimator_.model_.solved)


def test_grid_search_when_param_grid_includes_range() -> None:
    done = search(classifier, {"ridge": range(1, 4)}).fit(X, Y)
    assert done.best_params_ == {"ridge": 1}


def test_grid_search_bad_param_grid() -> None:
    single = search(classifier, {"ridge": 1}).fit(X, Y)  # a single value is a constant here
    assert single.best_params_ == {"ridge": 1}
    bad: list[Any] = [[], np.ones((3, 2))]
    for values in bad:
        with pytest.raises(SearchSpaceError, match=r"is not a list of values; give a list"):
            search(classifier, {"ridge": values}).fit(X, Y)


def test_grid_search_sparse() -> None:
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match=r"dense data is required.*toarray\(\)"):
        search(classifier, {"ridge": [1]}).fit(csr_array(X), Y)


def test_refit() -> None:
    built = []

    def build(X: Any, y: Any, ridge: float) -> Any:
        built.append(classifier(X, y, ridge))
        return built[-1]

    done = search(build, [{"ridge": [1, 2]}], task="classifier").fit(TENS, HALVES)
    assert done.best_estimator_.model_ is built[-1]  # no model is fitted twice
    assert len(built) == 2 * 2 + 1


def test_refit_callable() -> None:
    x, y = make_classification(n_samples=100, n_features=4, random_state=42)
    grid = {"ridge": [100.0, 1.0, 0.1]}
    keys = search(classifier, grid, scoring="precision").fit(x, y).cv_results_.keys()

    def worst(results: Any) -> Any:
        assert keys == results.keys()
        return results["mean_test_score"].argmin()

    done = search(classifier, grid, scoring="precision", refit=worst).fit(x, y)
    assert done.best_index_ == done.cv_results_["mean_test_score"].argmin()
    assert done.best_estimator_.params == done.best_params_
    assert not hasattr(done, "best_score_")


def test_refit_callable_invalid_type() -> None:
    with pytest.raises(TypeError, match="best_index_ returned is not an integer"):
        search(classifier, {"ridge": [1]}, refit=lambda results: None).fit(X, Y)


@pytest.mark.parametrize("chosen", [-1, 2])
def test_refit_callable_out_bound(chosen: int) -> None:
    with pytest.raises(IndexError, match="best_index_ index out of range"):
        search(classifier, {"ridge": [0.1, 1]}, refit=lambda results: chosen).fit(X, Y)


def test_refit_callable_multi_metric() -> None:
    scoring = {"Accuracy": make_scorer(accuracy_score), "prec": "precision"}

    def worst(results: Any) -> Any:
        return results["mean_test_prec"].argmin()

    done = search(classifier, {"ridge": [0.01, 1]}, scoring=scoring, refit=worst).fit(X, Y)
    assert done.best_index_ == 0
    assert not hasattr(done, "best_score_")
    with pytest.raises(ExperimentError, match="refit: a function chose the best by several scores"):
        done.score(X, Y)


def test_what_is_no_model_is_said_where_its_loss_is_asked_for() -> None:
    with pytest.raises(StudyError, match="build_model returned 3, which is not a compiled Keras"):
        search(lambda X, y: 3, {}, task="auto").fit(X, Y)


def test_what_needs_the_studys_folder_says_how_to_keep_it() -> None:
    done = search(classifier, {"ridge": [0.1, 1]}).fit(X, Y)
    assert done.results_.best is not None
    for use in (done.results_.plot, done.results_.report, done.results_.best_model):
        with pytest.raises(ResultsError, match=r"no longer in .*keeps its study with `results`"):
            use()


def test_gridsearch_nd() -> None:
    x, y = np.arange(300.0).reshape(10, 5, 3, 2), np.arange(770.0).reshape(10, 7, 11)

    def close(estimator: Any, x: Any, y: Any) -> float:
        assert x.shape[1:] == (5, 3, 2)
        assert y.shape[1:] == (7, 11)
        return -float(np.abs(estimator.predict(x) - y).mean())

    done = search(regressor, {"ridge": [1, 2]}, scoring=close, task="regressor").fit(x, y)
    assert done.predict(x).shape == y.shape


def test_X_as_list() -> None:
    done = search(classifier, {"ridge": [1, 2]}, cv=KFold(3)).fit(TENS.tolist(), HALVES)
    assert done.score(TENS.tolist(), HALVES) == done.score(TENS, HALVES)


def test_y_as_list() -> None:
    done = search(classifier, {"ridge": [1, 2]}, cv=KFold(3)).fit(TENS, HALVES.tolist())
    assert done.score(TENS, HALVES.tolist()) == done.score(TENS, HALVES)


def test_pandas_input() -> None:
    from pandas import DataFrame, Series

    frame = DataFrame(TENS, columns=[f"c{i}" for i in range(10)])
    done = search(classifier, {"ridge": [1, 2]}).fit(frame, Series(HALVES))
    assert done.feature_names_in_.tolist() == list(frame)
    assert done.predict(frame).tolist() == done.predict(frame.copy()).tolist()
    assert 0 <= done.score(frame, Series(HALVES)) <= 1


@pytest.mark.parametrize("mode", ["cv", "search"])
def test_grid_search_cv_results(mode: str) -> None:
    x, y = make_classification(n_samples=50, n_features=4, random_state=42)
    grid = {"ridge": [0.1, 1, 10], "more": ["a", None]}
    options = {"return_train_score": True, "mode": mode, "trials": 6, "cv": 3}
    sampler = {"sampler": "random"} if mode == "search" else {}
    done = search(classifier, grid, **options, **sampler).fit(x, y)
    theirs = GridSearchCV(KerasClassifier(classifier), {"epochs": [1]}, return_train_score=True)
    wanted = set(theirs.set_params(cv=3).fit(x, y).cv_results_) - {"param_epochs"}
    assert set(done.cv_results_) == wanted | {"param_ridge", "param_more"}
    for name, column in done.cv_results_.items():
        assert len(column) == 6
        if name.startswith("param_"):
            assert isinstance(column, np.ma.MaskedArray)
        elif name.startswith("rank_"):
            assert column.dtype == np.int32
        elif name != "params":
            assert column.dtype == np.float64
    assert done.cv_results_["param_more"].dtype == object
    assert done.cv_results_["param_ridge"].dtype == np.float64
    assert all(point.keys() == grid.keys() for point in done.cv_results_["params"])


def test_random_search_cv_results() -> None:
    options = {"mode": "search", "sampler": "random", "trials": 8}
    done = search(classifier, {"ridge": Float(0.1, 10, log=True)}, **options).fit(TENS, HALVES)
    drawn = done.cv_results_["param_ridge"]
    assert len(set(drawn)) == 8
    assert all(0.1 <= ridge <= 10 for ridge in drawn)
    assert done.cv_results_["params"] == [{"ridge": ridge} for ridge in drawn]


def test_search_default_iid() -> None:
    """Folds of unequal size count alike; they may be masks."""
    x, y = make_blobs(
        centers=[[0, 0], [1, 0], [0, 1], [1, 1]], random_state=0, cluster_std=0.1,
        shuffle=False, n_samples=80,
    )  # fmt: skip
    mask = np.ones(len(x), dtype=bool)
    mask[np.where(y == 1)[0][::2]] = False
    mask[np.where(y == 2)[0][::2]] = False
    cv = [[mask, ~mask], [~mask, mask]]
    ours = search(classifier, {"ridge": [1]}, cv=cv, return_train_score=True).fit(x, y)
    theirs = beside(classifier, {"ridge": [1]}, cv=cv, return_train_score=True).fit(x, y)
    for key, column in scores_of(theirs.cv_results_).items():
        assert_allclose(ours.cv_results_[key], column, err_msg=key)


@pytest.mark.parametrize("scoring", [["accuracy", "recall"], {"accuracy": "accuracy", "r": "f1"}])
def test_grid_search_cv_results_multimetric(scoring: Any) -> None:
    x, y = make_classification(n_samples=50, n_features=4, random_state=42)
    options: dict[str, Any] = {"refit": "accuracy", "return_train_score": True, "scoring": scoring}
    ours = search(classifier, {"ridge": [1, 100]}, **options).fit(x, y)
    theirs = beside(classifier, {"ridge": [1, 100]}, **options).fit(x, y)
    assert ours.multimetric_
    assert ours.scorer_.keys() == theirs.scorer_.keys()
    assert scores_of(ours.cv_results_).keys() == scores_of(theirs.cv_results_).keys()
    for key, column in scores_of(theirs.cv_results_).items():
        assert_allclose(ours.cv_results_[key], column, err_msg=key)
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_score_ == theirs.best_score_


def test_random_search_cv_results_multimetric() -> None:
    options = {"mode": "search", "sampler": "random", "trials": 3, "refit": "recall"}
    scoring = {"scoring": ["accuracy", "recall"]}
    done = search(classifier, {"ridge": Float(0.1, 9)}, **options, **scoring).fit(TENS, HALVES)
    assert {"mean_test_accuracy", "mean_test_recall"} <= set(done.cv_results_)
    assert done.best_score_ == done.cv_results_["mean_test_recall"].max()


def test_search_cv_score_samples_error() -> None:
    done = search(classifier, {"ridge": [5, 10]}).fit(X, Y)
    with pytest.raises(AttributeError, match="has no attribute 'score_samples'"):
        done.score_samples(X)


def test_unsupported_sample_weight_scorer() -> None:
    def half(y: Any, predicted: Any) -> float:
        return 0.5

    for scoring in (lambda e, x, y: 0.5, make_scorer(half), {"a": make_scorer(half), "b": "f1"}):
        each = search(classifier, {"ridge": [1, 10]}, scoring=scoring, refit=False)
        with pytest.warns(UserWarning, match="does not support sample_weight"):
            each.fit(TENS, HALVES, sample_weight=np.ones(10))


@pytest.mark.parametrize(("build", "task"), [(classifier, "classifier"), (regressor, "regressor")])
def test_search_cv_sample_weight_equivalence(build: Any, task: str) -> None:
    """A sample of weight 3 counts as three samples, in the fits and in the scores."""
    rng = np.random.RandomState(42)
    x, y, weight = rng.rand(120, 20), rng.randint(0, 3, 120), rng.randint(0, 5, 120)
    groups = np.tile(np.arange(4), 30)
    each = partial(search, build, {"ridge": [1, 10, 100]}, cv=LeaveOneGroupOut(), task=task)
    weighed = each().fit(x, y, groups=groups, sample_weight=weight)
    x_again, y_again = x.repeat(weight, axis=0), y.repeat(weight)
    repeated = each().fit(x_again, y_again, groups=groups.repeat(weight))
    for key in (key for key in repeated.cv_results_ if key.endswith("score")):
        assert_allclose(weighed.cv_results_[key], repeated.cv_results_[key], err_msg=key)
    assert weighed.best_index_ == repeated.best_index_
    assert_allclose(weighed.best_score_, repeated.best_score_)
    assert_allclose(weighed.predict(x), repeated.predict(x))


def test_search_cv_results_rank_tie_breaking() -> None:
    x, y = make_blobs(n_samples=50, random_state=42)
    done = search(regressor, {"ridge": [1, 1, 1e9]}, return_train_score=True).fit(x, 1.5 * y)
    means = done.cv_results_["mean_test_score"]
    assert means[0] == means[1] != means[2]
    assert_array_equal(done.cv_results_["rank_test_score"], [1, 1, 3])


def test_search_cv_results_none_param() -> None:
    for build, task in ((classifier, "classifier"), (regressor, "regressor")):
        done = search(build, {"more": [0, None]}, cv=KFold(2), task=task).fit(X, Y)
        assert_array_equal(done.cv_results_["param_more"], [0, None])


def test_search_cv_timing() -> None:
    grid = {"parameter": [2, 1]}
    with pytest.warns(FitFailedWarning, match="2 failed"):
        done = search(failing, grid, error_score=0, task="classifier").fit(X, Y)
    for name in ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"):
        assert (done.cv_results_[name] >= 0).all()
    assert done.cv_results_["mean_score_time"][0] == 0.0
    assert isinstance(done.refit_time_, float)


@pytest.mark.parametrize("scoring", ["f1", "roc_auc"])
def test_grid_search_correct_score_results(scoring: str) -> None:
    x, y = make_blobs(random_state=0, centers=2)
    grid = {"ridge": [0.1, 10, 1000]}
    done = search(classifier, grid, scoring=scoring, cv=3).fit(x, y)
    for row, ridge in enumerate(grid["ridge"]):
        for split, (train, test) in enumerate(StratifiedKFold(3).split(x, y)):
            fitted = KerasClassifier(classifier, params={"ridge": ridge}).fit(x[train], y[train])
            if scoring == "f1":
                wanted = f1_score(y[test], fitted.predict(x[test]))
            else:
                wanted = roc_auc_score(y[test], fitted.predict_proba(x[test])[:, 1])
            assert done.cv_results_[f"split{split}_test_score"][row] == wanted


def test_pickle() -> None:
    done = search(classifier, {"ridge": [1, 2, 3]}).fit(X, Y)
    again = pickle.loads(pickle.dumps(done))
    assert_array_equal(done.predict(X), again.predict(X))
    assert again.best_params_ == done.best_params_


@pytest.mark.parametrize(("build", "task"), [(classifier, "classifier"), (regressor, "regressor")])
def test_grid_search_with_multioutput_data(build: Any, task: str) -> None:
    x, y = make_multilabel_classification(return_indicator=True, random_state=0)
    done = search(build, {"ridge": [1, 2]}, cv=KFold(2), task=task).fit(x, y)
    for row, point in enumerate(done.cv_results_["params"]):
        for split, (train, test) in enumerate(KFold(2).split(x, y)):
            fitted = type(done.best_estimator_)(build, params=point).fit(x[train], y[train])
            wanted = fitted.score(x[test], y[test])
            assert_allclose(done.cv_results_[f"split{split}_test_score"][row], wanted)


def test_predict_proba_disabled() -> None:
    done = search(regressor, {"ridge": [1]}, task="regressor").fit(X, Y)
    assert not hasattr(done, "predict_proba")


@pytest.mark.parametrize("error_score", [0.0, np.nan])
def test_grid_search_failing_classifier(error_score: float) -> None:
    x, y = make_classification(n_samples=20, n_features=10, random_state=0)
    options: dict[str, Any] = {"cv": 5, "refit": False, "task": "classifier"}
    each = search(failing, [{"parameter": [0, 1, 2]}], error_score=error_score, **options)
    said = rf"5 failed .* out of 15 fits; their score is {error_score}.*failed as required"
    with pytest.warns(FitFailedWarning, match=re.compile(said, re.DOTALL)):
        each.fit(x, y)
    for split in range(5):
        assert_array_equal(each.cv_results_[f"split{split}_test_score"][2], error_score)
    if np.isnan(error_score):
        assert each.cv_results_["rank_test_score"][2] == 3
        assert each.best_index_ != 2


@pytest.mark.parametrize("scoring", [None, lambda e, x, y: {"acc": 1}])
def test_grid_search_classifier_all_fits_fail(scoring: Any) -> None:
    x, y = make_classification(n_samples=20, n_features=10, random_state=0)
    grid = [{"parameter": [2] * 3}]
    each = search(failing, grid, error_score=0.0, cv=5, scoring=scoring, task="classifier")
    with pytest.raises(ValueError, match="failed as required"):
        each.fit(x, y)


test_callable_multimetric_clf_all_fits_fail = test_grid_search_classifier_all_fits_fail


def test_grid_search_failing_classifier_raise() -> None:
    each = search(failing, {"parameter": [0, 1, 2]}, error_score="raise", task="classifier")
    with pytest.raises(ValueError, match=r"^Failing classifier failed as required$"):
        each.fit(X, Y)


def test_search_train_scores_set_to_false() -> None:
    done = search(classifier, {"ridge": [0.1, 0.2]}).fit(X, Y)
    assert not any("train" in key for key in done.cv_results_)


def test_grid_search_cv_splits_consistency() -> None:
    """A splitter whose folds can be had once, a generator, and repeated points."""
    x, y = make_classification(n_samples=100, random_state=0)
    grid = {"ridge": [0.1, 0.1, 10.0]}
    each = partial(search, classifier, grid, return_train_score=True)
    once = each(cv=KFold(3).split(x, y)).fit(x, y).cv_results_
    named = each(cv=KFold(3)).fit(x, y).cv_results_
    for key, column in scores_of(named).items():
        assert_array_equal(column, once[key], err_msg=key)
    shuffled = each(cv=KFold(3, shuffle=True)).fit(x, y).cv_results_
    for key, column in scores_of(shuffled).items():
        assert column[0] == column[1], key


def test_empty_cv_iterator_error() -> None:
    emptied = KFold(3).split(X)
    list(emptied)
    with pytest.raises(ExperimentError, match="cv: the splitter gave no split"):
        search(classifier, {"ridge": [1]}, cv=emptied).fit(X, Y)


def test_random_search_bad_cv() -> None:
    class Broken(KFold):
        def get_n_splits(self, *args: Any, **kw: Any) -> int:
            return 1

    with pytest.raises(ExperimentError, match="gave 3 splits and get_n_splits says 1"):
        search(classifier, {"ridge": [1]}, cv=Broken(n_splits=3)).fit(X, Y)


@pytest.mark.parametrize("train", [False, True])
def test_searchcv_raise_warning_with_non_finite_score(train: bool) -> None:
    calls = []

    def sometimes(estimator: Any, x: Any, y: Any) -> float:
        calls.append(1)
        return np.nan if len(calls) % 5 == 0 else 1.0

    grid = {"ridge": [2, 3, 5, 8]}
    each = search(classifier, grid, scoring=sometimes, cv=3, return_train_score=train)
    with pytest.warns(UserWarning, match="are non-finite") as said:
        each.fit(*make_classification(random_state=0))
    assert len(said) == 1 + train
    for warning, part in zip(said, ("test", "train"), strict=False):
        assert f"One or more of the {part} scores are non-finite" in str(warning.message)
    last = np.isnan(each.cv_results_["mean_test_score"])
    ranks = each.cv_results_["rank_test_score"]
    assert last.any()
    assert (ranks[last] == ranks.max()).all()
    assert (ranks[~last] < ranks.max()).all()


def test_callable_multimetric_confusion_matrix() -> None:
    def counts(estimator: Any, x: Any, y: Any) -> dict[str, int]:
        table = confusion_matrix(y, estimator.predict(x))
        return {"tn": table[0, 0], "fp": table[0, 1], "fn": table[1, 0], "tp": table[1, 1]}

    x, y = make_classification(n_samples=40, n_features=4, random_state=42)
    done = search(classifier, {"ridge": [0.1, 1]}, scoring=counts, refit="fp").fit(x, y)
    assert {f"mean_test_{name}" for name in ("tn", "fp", "fn", "tp")} <= set(done.cv_results_)
    assert done.score(x, y) == confusion_matrix(y, done.predict(x))[0, 1]


def test_callable_multimetric_same_as_list_of_strings() -> None:
    def two(estimator: Any, x: Any, y: Any) -> dict[str, float]:
        predicted = estimator.predict(x)
        return {"recall": recall_score(y, predicted), "accuracy": accuracy_score(y, predicted)}

    x, y = make_classification(n_samples=40, n_features=4, random_state=42)
    each = partial(search, classifier, {"ridge": [0.1, 100]}, refit="recall")
    called, named = (each(scoring=s).fit(x, y) for s in (two, ["recall", "accuracy"]))
    assert called.best_score_ == named.best_score_
    assert called.best_index_ == named.best_index_
    assert called.score(x, y) == named.score(x, y)


def test_callable_single_metric_same_as_single_string() -> None:
    def recall(estimator: Any, x: Any, y: Any) -> float:
        return float(recall_score(y, estimator.predict(x)))

    x, y = make_classification(n_samples=40, n_features=4, random_state=42)
    each = partial(search, classifier, {"ridge": [0.1, 100]})
    called = each(scoring=recall, refit=True).fit(x, y)
    named = each(scoring="recall", refit="recall").fit(x, y)
    listed = each(scoring=["recall"], refit="recall").fit(x, y)
    assert called.best_score_ == named.best_score_ == listed.best_score_
    assert called.best_index_ == named.best_index_ == listed.best_index_
    assert called.score(x, y) == named.score(x, y) == listed.score(x, y)


def test_callable_multimetric_error_on_invalid_key() -> None:
    each = search(classifier, {"ridge": [1]}, scoring=lambda e, x, y: {"bad": 1}, refit="good")
    with pytest.raises(ValueError, match=r"refit: 'good' is not among the scores .*: bad; name"):
        each.fit(X, Y)
    with pytest.raises(ExperimentError, match=r"refit: True is not among the scores .*: bad; name"):
        each.set_params(refit=True).fit(X, Y)


def test_callable_multimetric_error_failing_clf() -> None:
    x, y = make_classification(n_samples=20, n_features=10, random_state=0)
    options: dict[str, Any] = {"cv": 5, "refit": False, "error_score": 0.1, "task": "classifier"}
    scoring: Any = lambda e, x, y: {"acc": 1}  # noqa: E731
    each = search(failing, [{"parameter": [0, 1, 2]}], scoring=scoring, **options)
    with pytest.warns(FitFailedWarning, match=r"5 failed .* their score is 0\.1"):
        each.fit(x, y)
    assert_allclose(each.cv_results_["mean_test_acc"], [1, 1, 0.1])


def test_n_features_in() -> None:
    x, y = make_classification(n_features=4, n_redundant=0)
    done = search(classifier, {"ridge": [3, 4]})
    assert not hasattr(done, "n_features_in_")
    assert done.fit(x, y).n_features_in_ == 4


@pytest.mark.parametrize("weight", ["balanced", {0: 1.0, 1: 3.0}])
def test_scalar_fit_param(weight: Any) -> None:
    done = search(classifier, {"ridge": [0.1, 1]}).fit(TENS, HALVES, class_weight=weight, epochs=3)
    assert done.best_estimator_.epochs == 3
    assert done.best_estimator_.fit_params == {"class_weight": weight}


def test_scalar_fit_param_compat() -> None:
    """A tuple of arrays goes to `fit` as it is, though one is as long as the samples."""
    done = search(classifier, {"ridge": [1]}, error_score="raise")
    done.fit(TENS, HALVES, validation_data=(TENS, HALVES), verbose=0)
    given = done.best_estimator_.fit_params["validation_data"]
    assert isinstance(given, tuple)
    assert given[0].shape == TENS.shape


def test_search_with_2d_array() -> None:
    grid = {"more": ((1, 1), (1, 2)), "ridge": (1, 2)}
    options = {"mode": "search", "sampler": "random", "trials": 4, "random_state": 0}
    done = search(classifier, grid, **options).fit(X, Y)
    drawn = done.cv_results_["param_more"]
    assert drawn.dtype == object
    assert set(drawn) <= {(1, 1), (1, 2)}


def test_score_rejects_params_with_no_routing_enabled() -> None:
    done: Any = search(classifier, {"ridge": [1]}).fit(X, Y)
    with pytest.raises(TypeError, match="metadata"):
        done.score(X, Y, metadata=1)


def test_cv_results_dtype_issue_29074() -> None:
    for values in (
        [None, {"option": "A"}, {"option": "B"}],
        [None, [1, 2]],
        [{"a": 1}],
        ["s", "t"],
    ):
        done = search(classifier, {"more": values}).fit(X, Y)
        assert done.cv_results_["param_more"].dtype == object
        assert list(done.cv_results_["param_more"]) == values


def test_cv_results_multi_size_array() -> None:
    knots = [np.linspace(0, 1, 10 * n).reshape(-1, 10) for n in (10, 11, 12)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = search(classifier, {"more": knots}).fit(X, Y)
    assert done.cv_results_["param_more"].dtype == object
    assert [array.shape for array in done.cv_results_["param_more"]] == [k.shape for k in knots]

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

import tests.cells  # noqa: F401  # one thread for TensorFlow, before it starts
from tests.cells import digits
from tuner.errors import ExperimentError
from tuner.sklearn.arguments import samples_of, task_of
from tuner.sklearn.estimator import KerasClassifier, KerasRegressor
from tuner.sklearn.objective import probe_model, seeded
from tuner.sklearn.param_grid import param_grid

DATA = digits()
NAMES = np.array(list("abcdefghij"))


def classifier(X: Any, y: Any, units: int = 8, built: bool = True) -> Any:
    import keras

    layers: list[Any] = [keras.Input(X.shape[1:])] if built else []
    layers += [keras.layers.Flatten(), keras.layers.Dense(units, "relu")]
    layers += [keras.layers.Dropout(0.2), keras.layers.Dense(y.shape[1], "softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy", metrics=["accuracy"])
    return model


def regressor(X: Any, y: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1])])
    model.compile("sgd", "mse")
    return model


def fitted(**options: Any) -> KerasClassifier:
    options = {"params": {"units": 8}, "epochs": 2, "batch_size": 64, **options}
    estimator = KerasClassifier(classifier, **options)
    with seeded(3):
        return estimator.fit(DATA.x_train, NAMES[DATA.y_train])


@pytest.mark.parametrize("built", [True, False])
def test_its_numbers_are_those_of_a_plain_fit(built: bool) -> None:
    import keras

    estimator = fitted(params={"built": built})
    with seeded(3):
        one_hot = np.eye(10, dtype=np.float32)[DATA.y_train]
        plain = classifier(DATA.x_train, one_hot, built=built)
        history = plain.fit(DATA.x_train, one_hot, epochs=2, batch_size=64, verbose=0)
    for ours, theirs in zip(estimator.model_.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert estimator.history_.history["loss"] == pytest.approx(history.history["loss"], abs=1e-6)
    np.testing.assert_allclose(
        estimator.predict_proba(DATA.x_val), plain.predict(DATA.x_val, verbose=0), atol=1e-6
    )
    assert isinstance(estimator.history_, keras.callbacks.History)


def test_the_model_goes_on_as_any_other() -> None:
    estimator = fitted()
    assert estimator.model_.steps_per_execution == 1
    one_hot = np.eye(10, dtype=np.float32)[DATA.y_train[:50]]
    again = estimator.model_.fit(DATA.x_train[:50], one_hot, batch_size=8, epochs=1, verbose=0)
    assert again.epoch == [0]
    assert estimator.model_.optimizer.iterations == 2 * 5 + 7


def test_classes_are_the_users_own_and_samples_of_any_shape() -> None:
    estimator = fitted()
    assert DATA.x_val.shape[1:] == (8, 8)
    assert estimator.classes_.tolist() == list("abcdefghij")
    proba = estimator.predict_proba(DATA.x_val)
    assert estimator.predict(DATA.x_val).tolist() == NAMES[proba.argmax(axis=1)].tolist()
    assert proba.sum(axis=1) == pytest.approx(np.ones(100), abs=1e-5)
    assert estimator.score(DATA.x_val, NAMES[DATA.y_val]) > 0.2
    assert is_classifier(estimator)
    assert clone(estimator).get_params() == estimator.get_params()


def test_a_regressors_predictions_have_the_shape_of_its_targets() -> None:
    x = np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2)
    for y in (x[:, 0], x[:, :1], x):
        estimator = KerasRegressor(regressor, batch_size=20).fit(x, y)
        assert estimator.predict(x).shape == y.shape
    assert is_regressor(estimator)


def test_a_callback_of_the_users_is_copied_and_may_hook_batches() -> None:
    import keras

    class Count(keras.callbacks.Callback):
        batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.batches += 1
            self.params["seen"].append(batch)

        def set_params(self, params: Any) -> None:
            super().set_params({**params, "seen": SEEN})

    SEEN: list[int] = []
    count = Count()
    fitted(fit_params={"callbacks": [count]})
    assert SEEN == [0, 1, 2, 3, 4] * 2
    assert count.batches == 0


def test_a_model_that_is_not_compiled_is_refused() -> None:
    import keras

    def build(X: Any, y: Any) -> Any:
        return keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(1)])

    with pytest.raises(ExperimentError, match="not a compiled Keras model; compile it"):
        KerasRegressor(build).fit(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ExperimentError, match="build_model returned None"):
        KerasRegressor(lambda X, y: None).fit(np.zeros((4, 1)), np.zeros(4))


# ------------------------------------------------- the loss decides the form of the targets

CANCER = load_breast_cancer(return_X_y=True)
X2 = StandardScaler().fit_transform(CANCER[0])[:200]
Y2 = CANCER[1][:200]


def network(loss: Any, width: int | None, activation: str | None) -> Any:
    """A builder: `width` None takes y's."""

    def build(X: Any, y: Any) -> Any:
        import keras

        made = loss() if callable(loss) and isinstance(loss, type) else loss
        model = keras.Sequential([keras.Input(X.shape[1:])])
        model.add(keras.layers.Dense(width or y.shape[1], activation))
        model.compile(keras.optimizers.Adam(0.05), made)
        return model

    return build


def logits(name: str) -> Any:
    import keras

    return getattr(keras.losses, name)(from_logits=True)


FORMS: list[tuple[Any, int | None, str | None]] = [
    ("categorical_crossentropy", None, "softmax"),
    ("sparse_categorical_crossentropy", None, "softmax"),
    ("binary_crossentropy", 1, "sigmoid"),
    ("binary_crossentropy", None, "sigmoid"),
    ("binary_focal_crossentropy", 1, "sigmoid"),
    ("hinge", 1, "tanh"),
    ("mse", 1, "sigmoid"),
    ("mse", None, "softmax"),
    ("kl_divergence", None, "softmax"),
]
LABELS = [
    Y2,
    Y2.astype(float),
    Y2.astype(bool),
    Y2.astype("uint8"),
    np.array(["bad", "good"])[Y2],
    np.array([-1, 1])[Y2],
    np.array(["bad", "good"], object)[Y2],
]


@pytest.mark.parametrize(("loss", "width", "activation"), FORMS, ids=str)
def test_any_loss_learns_two_classes(loss: Any, width: Any, activation: Any) -> None:
    estimator = KerasClassifier(network(loss, width, activation), epochs=15)
    estimator.fit(X2, Y2)
    assert estimator.score(X2, Y2) > 0.9
    proba = estimator.predict_proba(X2)
    assert proba.shape == (200, 2)
    np.testing.assert_array_equal(estimator.predict(X2), proba.argmax(axis=1))


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "SparseCategoricalCrossentropy"])
def test_logits_become_probabilities(name: str) -> None:
    width = 1 if name == "BinaryCrossentropy" else 2
    estimator = KerasClassifier(network(logits(name), width, None), epochs=15).fit(X2, Y2)
    proba = estimator.predict_proba(X2)
    assert estimator.score(X2, Y2) > 0.9
    assert proba.sum(axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    assert 0 <= proba.min() <= proba.max() <= 1


@pytest.mark.parametrize("y", LABELS, ids=lambda y: str(y.dtype))
def test_the_dtype_of_labels_decides_nothing(y: Any) -> None:
    with seeded(1):
        estimator = KerasClassifier(network("binary_crossentropy", 1, "sigmoid"), epochs=15)
        estimator.fit(X2, y)
    assert estimator.score(X2, y) > 0.9
    assert set(estimator.predict(X2)) == set(y)
    assert estimator.predict(X2).dtype == y.dtype


def test_one_hot_rows_are_predicted_as_such() -> None:
    y = np.eye(2)[Y2]
    estimator = KerasClassifier(network("categorical_crossentropy", None, "softmax"), epochs=15)
    estimator.fit(X2, y)
    assert estimator.predict(X2).shape == (200, 2)
    assert estimator.score(X2, y) > 0.9


def test_several_labels_a_sample() -> None:
    y = np.column_stack([Y2, 1 - Y2, X2[:, 0] > 0, np.ones(200)]).astype(int)
    estimator = KerasClassifier(network("binary_crossentropy", None, "sigmoid"), epochs=30)
    estimator.fit(X2, y)
    assert estimator.predict(X2).shape == (200, 4)
    assert estimator.score(X2, y) > 0.7
    with pytest.raises(ExperimentError, match="y has several labels a sample; weigh samples"):
        KerasClassifier(
            network("binary_crossentropy", None, "sigmoid"), fit_params={"class_weight": "balanced"}
        ).fit(X2, y)


@pytest.mark.parametrize("weight", ["balanced", {"bad": 1.0, "good": 9.0}, {0: 1.0, 1: 9.0}])
def test_classes_are_weighed_by_the_users_labels(weight: Any) -> None:
    y = np.array(["bad", "good"])[Y2]
    given = {"class_weight": weight}
    for loss, width in (("binary_crossentropy", 1), ("sparse_categorical_crossentropy", 2)):
        build = network(loss, width, "sigmoid" if width == 1 else "softmax")
        with seeded(1):
            plain = KerasClassifier(build, epochs=2).fit(X2, y)
        with seeded(1):
            weighed = KerasClassifier(build, epochs=2, fit_params=given).fit(X2, y)
        assert weighed.history_.history["loss"] != plain.history_.history["loss"]
    with pytest.raises(ExperimentError, match=r"class_weight is \[1, 2\]; give 'balanced' or a"):
        KerasClassifier(build, fit_params={"class_weight": [1, 2]}).fit(X2, y)
    with pytest.raises(ExperimentError, match="class_weight names 'ugly', which is not one of the"):
        KerasClassifier(build, fit_params={"class_weight": {"ugly": 1.0}}).fit(X2, y)


def test_a_validation_part_is_given_as_the_labels_are() -> None:
    """Its loss on the samples of the training is that of an evaluation of these."""
    y = np.array(["bad", "good"])[Y2]
    for loss, width in (("binary_crossentropy", 1), ("sparse_categorical_crossentropy", 2)):
        build = network(loss, width, "sigmoid" if width == 1 else "softmax")
        found = []
        for given in (y, Y2):
            fit_params = {"validation_data": (X2, given)}
            with seeded(1):
                fitted = KerasClassifier(build, fit_params=fit_params).fit(X2, y)
            found.append(fitted.history_.history["val_loss"][0])
        chances = fitted.predict_proba(X2)[np.arange(len(Y2)), Y2]
        assert found == pytest.approx([-np.log(chances).mean()] * 2, rel=1e-4)
    with pytest.raises(ExperimentError, match="validation_data: it has the label 'ugly', which y"):
        KerasClassifier(build, fit_params={"validation_data": (X2[:1], ["ugly"])}).fit(X2, y)


def test_weights_of_samples_reach_the_fit() -> None:
    weights = np.where(Y2 == 1, 1.0, 0.0)
    estimator = KerasClassifier(network("binary_crossentropy", 1, "sigmoid"), epochs=15)
    plain = estimator.fit(X2, Y2).predict(X2).mean()
    weighed = estimator.fit(X2, Y2, sample_weight=weights).predict(X2).mean()
    assert weighed > plain + 0.02


@pytest.mark.parametrize(
    ("loss", "width", "y", "task"),
    [
        ("mse", 1, np.arange(200) % 50, "regressor"),
        ("binary_crossentropy", 1, Y2.astype(float), "classifier"),
        ("sparse_categorical_crossentropy", 2, Y2.astype(float), "classifier"),
        ("categorical_crossentropy", None, np.eye(2)[Y2], "classifier"),
        ("mae", None, np.eye(2)[Y2], "regressor"),
        ("mse", 1, np.linspace(0, 1, 200), "regressor"),
    ],
)
def test_the_loss_says_what_the_task_is(loss: str, width: Any, y: Any, task: str) -> None:
    grid = param_grid({})
    samples = samples_of(X2, y, None)
    build = network(loss, width, None)
    assert task_of("auto", samples, lambda rows: probe_model(build, grid, X2, rows)) == task


def test_a_model_of_several_outputs_is_refused_with_the_way_out() -> None:
    def build(X: Any, y: Any) -> Any:
        import keras

        x = keras.Input(X.shape[1:])
        model = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
        model.compile("sgd", ["mse", "mse"])
        return model

    with pytest.raises(ExperimentError, match=r"2 (losses|outputs), and a search scores one"):
        KerasClassifier(build).fit(X2, Y2)

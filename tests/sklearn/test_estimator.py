from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor

import tests.cells  # noqa: F401  # one thread for TensorFlow, before it starts
from tests.cells import digits
from tuner.errors import ExperimentError
from tuner.sklearn.estimator import KerasClassifier, KerasRegressor
from tuner.sklearn.objective import seeded

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

    class Count(keras.callbacks.Callback):  # type: ignore[misc]
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

    with pytest.raises(ExperimentError, match="no compiled Keras model; compile it"):
        KerasRegressor(build).fit(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ExperimentError, match="build_model returned None"):
        KerasRegressor(lambda X, y: None).fit(np.zeros((4, 1)), np.zeros(4))

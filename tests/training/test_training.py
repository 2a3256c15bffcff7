from __future__ import annotations

import gc
import math
import random
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.cells import Reports, cell, digits, run, trial
from tuner.experiment.experiment import KerasModel
from tuner.training.process import clear_worker, seed_worker
from tuner.trial.cells import Ending
from tuner.trial.trial import Trial


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(trial.data.x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(16, "relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(10, "softmax"),
        ]
    )


def build_late(trial: Trial) -> Any:
    """A model without an Input, which has its weights only once it is called."""
    import keras
    from keras import layers

    return keras.Sequential([layers.Flatten(), layers.Dropout(0.3), layers.Dense(10, "softmax")])


def build_recurrent(trial: Trial) -> Any:
    """Keras draws dropout masks for it in validation too, so that its batches matter."""
    import keras
    from keras import layers

    return keras.Sequential(
        [keras.Input((8, 8)), layers.SimpleRNN(4, dropout=0.2), layers.Dense(10, "softmax")]
    )


def build_subclass(trial: Trial) -> Any:
    import keras
    from keras import layers

    class Noisy(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.flatten, self.noise = layers.Flatten(), layers.GaussianNoise(0.1)
            self.dense = layers.Dense(10, "softmax")

        def call(self, x: Any, training: bool = False) -> Any:
            return self.dense(self.noise(self.flatten(x), training=training))

    return Noisy()


def sgd(trial: Trial) -> Any:
    import keras

    rate = keras.optimizers.schedules.InverseTimeDecay(0.05, decay_steps=1, decay_rate=0.01)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)


def adam(trial: Trial) -> Any:
    import keras

    return keras.optimizers.Adam(0.01)


def halving(trial: Trial) -> list[Any]:
    import keras

    return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 * 0.5**epoch)]


MODEL = KerasModel(build=build, optimizer=sgd, batch_size=64)


def trained(declaration: KerasModel, **options: Any) -> tuple[list[dict[str, float]], list[Any]]:
    """What a cell reports, and all its weights and optimizer state at the end."""
    import keras

    state: list[Any] = []

    class Keep(keras.callbacks.Callback):
        def on_train_end(self, logs: Any = None) -> None:
            state.extend(state_of(self.model))

    def callbacks(trial: Trial) -> list[Any]:
        own = declaration.callbacks(trial) if declaration.callbacks else []
        return [*own, Keep()]

    outcome, reports = run(replace(declaration, callbacks=callbacks), **options)
    assert outcome.error is None, outcome.error
    return reports.metrics, state


def plainly_trained(declaration: KerasModel) -> tuple[list[dict[str, float]], list[Any]]:
    """The same by a plain `fit`, as everybody writes it."""
    import keras

    keras.utils.set_random_seed(cell().seed)
    this = trial()
    data = this.data
    model = declaration.build(this)
    model.compile(declaration.optimizer(this), declaration.loss, metrics=["accuracy"])
    y_train, y_val = data.y_train, data.y_val
    if declaration.targets == "one_hot":
        y_train, y_val = (keras.utils.to_categorical(y, 10) for y in (y_train, y_val))
    history = model.fit(
        data.x_train,
        y_train,
        batch_size=declaration.batch_size,
        epochs=cell().epochs,
        validation_data=(data.x_val, y_val),
        callbacks=declaration.callbacks(this) if declaration.callbacks else [],
        verbose=0,
    ).history
    logs = [
        dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True)
    ]
    state = state_of(model)
    clear_worker()
    return logs, state


def state_of(model: Any) -> list[Any]:
    return [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]


# Keras' own LearningRateScheduler reads its variable in a way that NumPy deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "declaration",
    [
        MODEL,
        replace(MODEL, build=build_late, optimizer=adam, callbacks=halving),
        replace(MODEL, build=build_recurrent),
        replace(MODEL, build=build_subclass, loss="categorical_crossentropy", targets="one_hot"),
    ],
    ids=[
        "sgd schedule",
        "built late, rate by callback",
        "recurrent with dropout",
        "subclass, one-hot",
    ],
)
def test_a_declared_model_gets_the_numbers_of_a_plain_fit(declaration: KerasModel) -> None:
    reports, state = trained(declaration)
    logs, plain_state = plainly_trained(declaration)
    assert len(reports) == len(logs) == 3
    for report, log in zip(reports, logs, strict=True):
        assert {key: report[key] for key in log} == log
    for ours, theirs in zip(state, plain_state, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_reused_worker_gives_the_numbers_of_a_fresh_one() -> None:
    alone = trained(MODEL, seed=5)
    trained(replace(MODEL, optimizer=adam, batch_size=32), seed=1)
    np.random.rand(7)
    random.random()
    again = trained(MODEL, seed=5)
    assert again[0] == alone[0]
    for ours, theirs in zip(again[1], alone[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert trained(MODEL, seed=6)[0] != alone[0]


def test_a_longer_training_continues_a_shorter_one() -> None:
    assert trained(MODEL, epochs=3)[0][:2] == trained(MODEL, epochs=2)[0]


def test_a_callback_that_watches_batches_sees_each() -> None:
    import keras

    counts: list[int] = []

    class Batches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            counts.append(batch)

    outcome, _ = run(replace(MODEL, callbacks=lambda trial: [Batches()]), epochs=1)
    assert counts == [0, 1, 2, 3, 4]
    assert outcome.trained_by == "fit"
    assert outcome.trained_why == "the callback Batches sees every batch"
    assert outcome.trace_s is None


def test_an_outcome_says_who_trained() -> None:
    outcome, _ = run(MODEL, epochs=1)
    assert (outcome.trained_by, outcome.trained_why) == ("program", "")
    assert outcome.setup_s is not None
    assert outcome.trace_s is not None
    assert 0 < outcome.setup_s + outcome.trace_s < outcome.duration_s
    outcome, _ = run(lambda trial: 0.5)
    assert (outcome.trained_by, outcome.setup_s, outcome.trace_s) == ("", None, None)


def test_a_diverging_model_reports_what_keras_says() -> None:
    def huge(trial: Trial) -> Any:
        import keras

        return keras.optimizers.SGD(1e30)

    outcome, reports = run(replace(MODEL, optimizer=huge), epochs=2, reports=Reports(stop_at=1))
    assert outcome.ending is Ending.FINISHED
    assert reports.epochs == [1]
    assert not math.isfinite(reports.metrics[0]["loss"])


def test_clearing_frees_a_cells_graphs() -> None:
    run(MODEL, epochs=1)
    run(MODEL, epochs=1)
    before = len(gc.get_objects())
    for _ in range(2):
        run(MODEL, epochs=1)
    assert len(gc.get_objects()) - before < 500


def test_a_functions_outcome_tells_time_and_memory() -> None:
    outcome, reports = run(lambda trial: trial.report(2, {"val_accuracy": 0.5}) and None)
    assert outcome.ending is Ending.FINISHED
    assert (reports.epochs, reports.metrics) == ([2], [{"val_accuracy": 0.5}])
    assert 0 <= outcome.duration_s < 60
    assert 10 < outcome.peak_rss_mb < 1e5
    assert outcome.host == ""


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        (0.25, {"val_accuracy": 0.25}),
        (3, {"val_accuracy": 3.0}),
        (np.float32(0.5), {"val_accuracy": 0.5}),
        (np.array(0.5), {"val_accuracy": 0.5}),
        ({"val_accuracy": 0.1, "loss": np.float64(2)}, {"val_accuracy": 0.1, "loss": 2.0}),
    ],
)
def test_a_returned_number_or_dict_comes_back_as_metrics(returned: Any, metrics: Any) -> None:
    outcome, reports = run(lambda trial: returned)
    assert (outcome.error, outcome.returned) == (None, metrics)
    assert reports.epochs == []


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ({"accuracy": 0.5, "loss": 1.0}, "accuracy, loss; did you mean 'accuracy'? name one"),
        ({"loss": [1.0, 2.0]}, "loss_0, loss_1; name one"),
    ],
)
def test_a_returned_dict_without_the_metric_is_what_every_trial_would_return(
    returned: Any, said: str
) -> None:
    outcome, _ = run(lambda trial: returned)
    assert outcome.hopeless
    assert f"'val_accuracy' is searched and the returned dict has: {said}" in str(outcome.error)


@pytest.mark.parametrize("kind", ["a history's dict", "a history"])
def test_a_returned_history_is_told_how_epochs_are_reported(kind: str) -> None:
    values = {"loss": [1.0, 0.5], "val_accuracy": [0.5, 0.75]}
    returned = values if kind == "a history's dict" else SimpleNamespace(history=values)
    outcome, _ = run(lambda trial: returned)
    assert outcome.hopeless
    assert "returned val_accuracy of 2 epochs; give `fit` callbacks=[" in str(outcome.error)


def test_what_is_returned_after_a_report_is_ignored() -> None:
    def train(trial: Trial) -> str:
        trial.report(1, {"val_accuracy": 0.5})
        return "done"

    outcome, reports = run(train)
    assert (outcome.ending, outcome.returned) == (Ending.FINISHED, None)
    assert reports.epochs == [1]


@pytest.mark.parametrize(
    "returned", [0.5, np.float32(0.5), {"val_accuracy": 0.5, "n": 1}, {"n": 1}]
)
def test_the_last_report_may_be_returned_too(returned: Any) -> None:
    def train(trial: Trial) -> Any:
        trial.report(1, {"val_accuracy": 0.5})
        return returned

    outcome, _ = run(train)
    assert (outcome.ending, outcome.returned) == (Ending.FINISHED, None)


@pytest.mark.parametrize("returned", [0.6, {"val_accuracy": 0.4}, 7])
def test_another_number_than_the_last_report_is_refused(returned: Any) -> None:
    def train(trial: Trial) -> Any:
        trial.report(1, {"val_accuracy": 0.5})
        return returned

    outcome, _ = run(train)
    assert outcome.ending is Ending.RAISED
    assert "and reported val_accuracy 0.5 last; report this value too" in str(outcome.error)


def test_a_metric_that_the_first_report_lacks_is_named_at_once() -> None:
    def train(trial: Trial) -> None:
        trial.report(1, {"loss": 1.0, "val_acuracy": 0.5})
        raise AssertionError("the report should have ended it")

    outcome, reports = run(train)
    assert reports.epochs == []
    assert (
        "metric 'val_accuracy' is searched and the first report has: loss, val_acuracy; "
        "did you mean 'val_acuracy'? name one of these as the metric"
    ) in str(outcome.error)


def test_a_searched_metric_of_several_values_is_named_at_once() -> None:
    def train(trial: Trial) -> None:
        trial.report(1, {"val_accuracy": [0.5, 0.6]})

    outcome, reports = run(train)
    assert reports.epochs == []
    assert "the first report has: val_accuracy_0, val_accuracy_1; " in str(outcome.error)


def test_a_metric_may_come_later_where_a_report_says_so() -> None:
    def train(trial: Trial) -> None:
        trial.report(1, {"loss": 1.0, "val_accuracy": None})
        trial.report(2, {"loss": 1.0, "val_accuracy": 0.5})

    outcome, reports = run(train)
    assert outcome.error is None
    assert reports.metrics == [{"loss": 1.0}, {"loss": 1.0, "val_accuracy": 0.5}]


def test_keras_may_validate_every_few_epochs() -> None:
    def train(trial: Trial) -> None:
        trial.report(1, {"loss": 1.0, "accuracy": 0.4})
        trial.report(2, {"loss": 1.0, "accuracy": 0.4, "val_loss": 2.0, "val_accuracy": 0.5})

    assert run(train)[0].error is None


def test_nothing_returned_and_nothing_reported_is_left_to_the_study() -> None:
    outcome, reports = run(lambda trial: None)
    assert (outcome.ending, outcome.returned) == (Ending.FINISHED, None)
    assert reports.epochs == []


@pytest.mark.parametrize("returned", ["0.5", True, [0.5], np.bool_(True), np.zeros(2)])
def test_anything_else_returned_is_named(returned: Any) -> None:
    outcome, reports = run(lambda trial: returned)
    assert outcome.ending is Ending.RAISED
    assert outcome.error == (
        f"ReportError: the training function reported nothing and returned {returned!r}; "
        "report every epoch, or return a number or a dict of metrics"
    )
    assert reports.epochs == []


def leaves(trial: Trial) -> None:
    sys.exit("no licence")


def fails(trial: Trial) -> None:
    trial["learning_rte"]


@pytest.mark.parametrize(
    ("objective", "line", "last"),
    [
        (leaves, 'sys.exit("no licence")', "SystemExit: no licence"),
        (fails, 'trial["learning_rte"]', "no parameter 'learning_rte' in this trial; it has: x"),
    ],
)
def test_a_users_exception_ends_as_their_line_and_its_message(
    objective: Any, line: str, last: str
) -> None:
    outcome, _ = run(objective, {"x": 1})
    assert outcome.ending is Ending.RAISED
    assert line in str(outcome.error)
    assert last in str(outcome.error).splitlines()[-1]
    assert str(outcome.error).count("  File ") == 1


def test_an_interrupt_passes() -> None:
    def interrupted(trial: Trial) -> None:
        raise KeyboardInterrupt("Ctrl-C")

    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        run(interrupted)


def test_a_report_after_the_stop_ends_the_function() -> None:
    def deaf(trial: Trial) -> None:
        for epoch in range(1, 10):
            trial.report(epoch, {"val_accuracy": 0.5})

    outcome, reports = run(deaf, reports=Reports(stop_at=3))
    assert (outcome.ending, outcome.error) == (Ending.FINISHED, None)
    assert reports.epochs == [1, 2, 3]


def test_a_function_draws_the_same_numbers_for_the_same_seed() -> None:
    def draws(trial: Trial) -> dict[str, float]:
        import keras

        drawn = {"a": random.random(), "b": np.random.rand(), "c": float(keras.random.uniform(()))}
        return {"val_accuracy": 0.5, **drawn}

    first, second, other = (run(draws, seed=seed)[0].returned for seed in (1, 1, 2))
    assert first is not None
    assert first == second != other


def test_data_that_fails_to_load_is_the_cells_failure() -> None:
    from tuner.errors import DatasetError

    def nothing() -> Any:
        raise DatasetError("no data")

    outcome, _ = run(MODEL, load_data=nothing)
    assert outcome.ending is Ending.RAISED
    assert str(outcome.error).endswith("DatasetError: no data")


def test_seeding_a_function_imports_no_keras() -> None:
    import subprocess

    code = (
        "import sys; from tuner.training.process import clear_worker, seed_worker; seed_worker(1);"
        "clear_worker(); print(sorted({'keras', 'tensorflow', 'ray'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    seed_worker(1)
    first = random.random(), np.random.rand()
    seed_worker(1)
    assert (random.random(), np.random.rand()) == first
    assert digits().n_classes == 10


@pytest.mark.parametrize("ask", [lambda t: range(t.epochs), lambda t: t["epochs"]])
def test_a_function_that_asks_for_epochs_where_nothing_says_is_told_so(ask: Any) -> None:
    outcome, _ = run(ask, epochs=None)
    assert outcome.hopeless
    assert "nothing says how many epochs to train; give the space an axis" in str(outcome.error)
    assert trial(epochs=None).get("epochs", 7) == 7

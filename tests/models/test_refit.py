"""Refit, evaluation on the test set, and the model as files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.brain import simulate
from tuner.cli.app import run_command
from tuner.data.datasets import load as load_dataset
from tuner.engines.simulated import Step
from tuner.errors import DatasetError, ExperimentError, SearchSpaceError, StudyError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import settle
from tuner.models.chosen import trained_epochs
from tuner.models.model_files import JSON_FILE, WEIGHTS_FILE, export
from tuner.models.refit import refit
from tuner.models.scores import probabilities
from tuner.results.results import Results, load
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.layout import MODEL_FILE, REFIT_FILE
from tuner.store.mirror import Mirror
from tuner.store.study_json import describe
from tuner.trial.cells import Cell
from tuner.trial.trial import Trial

# Keras reads its variables in a way that NumPy deprecates, when it saves them too.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(trial.data.x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(trial.get("units", 16), "relu"),
            layers.Dense(10, "softmax"),
        ]
    )


def adam(trial: Trial) -> Any:
    import keras

    return keras.optimizers.Adam(trial["learning_rate"])


MODEL = KerasModel(build=build, optimizer=adam, batch_size=64)
EXPERIMENT = Experiment(
    "refitted",
    {"learning_rate": Float(1e-4, 0.1, grid=[0.01, 0.001]), "epochs": Int(1, 9, grid=[4])},
    MODEL,
    mode="grid",
)
SOURCE = Source("module", "tests.models.test_refit")


def rates(cell: Cell) -> Iterator[Step]:
    """Simulated curves: the larger learning rate wins; epoch 2 is the best of 3."""
    for epoch, height in enumerate((0.5, 0.9, 0.8), start=1):
        yield Step(epoch, {"val_accuracy": height + cell.params.get("learning_rate", 0.0)})


def study(
    folder: Path,
    declared: Experiment = EXPERIMENT,
    *,
    source: Source = SOURCE,
    curve: Any = rates,
    **overrides: Any,
) -> Path:
    """A finished study, as `tuner run` leaves it, its curves simulated."""
    settled = settle(declared, overrides)
    dataset = None if settled.dataset is None else load_dataset(settled.dataset)
    path = folder / settled.name
    path.mkdir(parents=True)
    describe(Loaded(declared, source), settled, dataset, name=path.name).write(path)
    simulate(settled, curve, folder=path)
    return path


@pytest.fixture(scope="module")
def refitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study, refitted by the command line for its four epochs."""
    path = study(tmp_path_factory.mktemp("refit"))
    assert run_command(["refit", str(path), "--epochs", "4"]) == 0
    return path


def test_refit_takes_the_best_point_and_all_training_data(refitted: Path) -> None:
    written = json.loads((refitted / REFIT_FILE).read_text())
    assert written["trial"] == 0
    assert written["params"] == {"learning_rate": 0.01, "epochs": 4}
    assert written["epochs"] == 4
    assert written["seed"] == int(load(refitted).trials["seed"][0])
    assert (written["dataset"]["train"], written["dataset"]["test"]) == (1437, 360)
    assert list(written["metrics"]) == ["loss", "accuracy", "r2"]


def test_a_study_at_a_uri_has_its_refit_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "one"))
    place = f"file://{tmp_path}/there"
    mirror = Mirror(place)
    path = study(mirror.folder)
    mirror.put(path, held=False)
    uri = f"{place}/{path.name}"
    assert run_command(["refit", uri, "--epochs", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"wrote {uri}/{MODEL_FILE} and {uri}/{REFIT_FILE}" in said
    there = tmp_path / "there" / path.name
    assert (there / MODEL_FILE).read_bytes() == (path / MODEL_FILE).read_bytes()
    assert json.loads((there / REFIT_FILE).read_text())["epochs"] == 1
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "another machine"))
    assert run_command(["export", uri, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / MODEL_FILE).read_bytes() == (path / MODEL_FILE).read_bytes()
    load(uri, EXPERIMENT).refit(epochs=2)
    assert json.loads((there / REFIT_FILE).read_text())["epochs"] == 2


def test_its_figures_are_those_of_the_model_on_the_test_set(refitted: Path) -> None:
    import keras
    from sklearn.metrics import accuracy_score, r2_score

    digits = load_dataset("digits")
    predicted = keras.saving.load_model(refitted / MODEL_FILE).predict(digits.x_test, verbose=0)
    one_hot = keras.utils.to_categorical(digits.y_test, 10)
    wanted = {
        "loss": -np.log(predicted[range(360), digits.y_test]).mean(),
        "accuracy": accuracy_score(digits.y_test, predicted.argmax(axis=1)),
        "r2": r2_score(one_hot, predicted),
    }
    written = json.loads((refitted / REFIT_FILE).read_text())["metrics"]
    assert written == pytest.approx(wanted, rel=1e-5)
    assert written["accuracy"] > 0.8


def test_both_exports_predict_the_same(refitted: Path, tmp_path: Path) -> None:
    import keras

    x = load_dataset("digits").x_test
    predicted = keras.saving.load_model(refitted / MODEL_FILE).predict(x, verbose=0)

    assert export(refitted, "keras") == [refitted / MODEL_FILE]
    whole = export(refitted, "keras", tmp_path / "whole")
    assert whole == [tmp_path / "whole" / MODEL_FILE]
    copied = keras.saving.load_model(whole[0], safe_mode=True)
    np.testing.assert_array_equal(copied.predict(x, verbose=0), predicted)

    architecture, weights = export(refitted, "json+h5", tmp_path)
    assert (architecture.name, weights.name) == (JSON_FILE, WEIGHTS_FILE)
    rebuilt = keras.models.model_from_json(architecture.read_text())
    rebuilt.load_weights(weights)
    np.testing.assert_array_equal(rebuilt.predict(x, verbose=0), predicted)


def test_refit_starts_from_the_seed_of_its_trial(refitted: Path) -> None:
    again = refit(refitted, epochs=1)
    own = int(load(refitted).trials["seed"][0])
    assert again.seed == own
    assert again.metrics == refit(refitted, epochs=1, seed=own).metrics
    assert again.metrics != refit(refitted, epochs=1, seed=7).metrics


@pytest.mark.parametrize(("value", "epochs"), [("last", 3), ("best", 2)])
def test_refit_ends_where_the_trial_ended_or_was_best(
    value: str, epochs: int, tmp_path: Path
) -> None:
    path = study(tmp_path, value=value)
    assert refit(path).epochs == epochs


@pytest.mark.parametrize(
    ("state", "value", "best_epoch", "trains"),
    [
        ("COMPLETE", "best", 2, 2),
        ("STOPPED", "best", 2, 2),  # a trial that was stopped may be the best
        ("STOPPED", "last", 2, None),
        ("COMPLETE", "last", 9, None),
        ("COMPLETE", "best", 9, None),
    ],
)
def test_refit_trains_to_the_epoch_of_the_trials_value(
    state: str, value: str, best_epoch: int, trains: int | None
) -> None:
    settled = settle(EXPERIMENT, {"value": value})
    results = Results(
        path=Path(),
        study=describe(Loaded(EXPERIMENT, SOURCE), settled, None, name="refitted"),
        trials=pd.DataFrame({"trial": [0], "state": [state], "best_epoch": [best_epoch]}),
        reports=pd.DataFrame({"trial": [0] * 9, "fold": 0, "epoch": range(1, 10)}),
    )
    assert trained_epochs(results, 0, limit=9) == trains


def test_another_trial_and_other_parameters(tmp_path: Path) -> None:
    path = study(tmp_path)
    done = refit(path, trial=1, params={"learning_rate": 0.02}, epochs=1)
    assert (done.trial, done.params) == (1, {"learning_rate": 0.02, "epochs": 1})
    with pytest.raises(SearchSpaceError, match=r"no parameter 'rate'; it has: learning_rate"):
        refit(path, params={"rate": 1})


def test_an_int_that_some_trials_lack_stays_an_int(tmp_path: Path) -> None:
    space = {
        "wide": Categorical([False, True]),
        "units": Int(8, 64, grid=[24], when={"wide": True}),
        "learning_rate": 0.01,
        "epochs": 1,
    }
    path = study(tmp_path, replace(EXPERIMENT, space=space))
    assert refit(path, trial=1).model.layers[1].units == 24


def line(trial: Trial) -> Any:
    import keras

    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def plane() -> Any:
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = x @ [1.0, -2.0] + 0.5
    return (x[:160], y[:160]), (x[160:], y[160:])


def test_a_regression_has_loss_and_r2_only(tmp_path: Path) -> None:
    declared = replace(
        EXPERIMENT,
        objective=replace(MODEL, build=line, loss="mse", metrics=["mae"]),
        dataset=plane,
    )
    path = study(tmp_path, declared, source=Source("object", "here"))
    done = refit(path, experiment=declared, params={"learning_rate": 0.1}, epochs=9)
    assert list(done.metrics) == ["loss", "mae", "r2"]
    assert done.metrics["r2"] > 0.9


def train(trial: Trial) -> Any:
    import keras

    model = build(trial)
    model.compile(adam(trial), "sparse_categorical_crossentropy")
    data = trial.data
    model.fit(data.x_train, data.y_train, 64, trial.epochs, 0, callbacks=[trial.callback()])
    assert len(data.x_train) == 1437
    assert isinstance(model, keras.Model)
    return model


def forgets(trial: Trial) -> None:
    train(trial)


def fails(trial: Trial) -> None:
    raise RuntimeError("no luck")


def test_a_function_that_returns_its_model_is_refitted(tmp_path: Path) -> None:
    path = study(tmp_path, replace(EXPERIMENT, objective=train), source=Source("object", "here"))
    done = refit(path, experiment=replace(EXPERIMENT, objective=train))
    assert list(done.metrics) == ["accuracy", "r2"]
    assert (path / MODEL_FILE).is_file()


def test_what_cannot_be_refitted_is_told_in_a_line(tmp_path: Path) -> None:
    path = study(tmp_path, source=Source("object", "notebook"))
    with pytest.raises(ExperimentError, match="made in memory by notebook; call tuner"):
        refit(path)
    with pytest.raises(StudyError, match="returned NoneType, not a Keras model; let it return"):
        refit(path, experiment=replace(EXPERIMENT, objective=forgets), epochs=1)
    with pytest.raises(StudyError, match="the refit of trial 0 raised RuntimeError: no luck"):
        refit(path, experiment=replace(EXPERIMENT, objective=fails))
    digits = load_dataset("digits")
    parts = {key: getattr(digits, key) for key in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "other.npz", **{**parts, "x_test": parts["x_test"] / 2})
    with pytest.raises(StudyError, match="the dataset's fingerprint is"):
        refit(path, experiment=EXPERIMENT, data=str(tmp_path / "other.npz"))
    with pytest.raises(DatasetError, match="no such file"):
        refit(path, experiment=EXPERIMENT, data="nowhere.npz")
    with pytest.raises(ExperimentError, match="epochs: 0 must be a whole number of at least 1"):
        refit(path, experiment=EXPERIMENT, epochs=0)
    with pytest.raises(StudyError, match="diverged: its predictions are not finite"):
        refit(path, experiment=EXPERIMENT, params={"learning_rate": float("nan")}, epochs=1)


def test_a_study_without_a_complete_trial_or_without_data(tmp_path: Path) -> None:
    def fails_all(cell: Cell) -> Iterator[Step]:
        raise ValueError("no luck")
        yield

    path = study(tmp_path, curve=fails_all)
    with pytest.raises(StudyError, match=r"trial: .* has a value to choose it by; name one"):
        refit(path)
    bare = replace(EXPERIMENT, name="bare", dataset=None)
    with pytest.raises(StudyError, match="dataset: bare has none, so it has no model to refit"):
        refit(study(tmp_path, bare, source=Source("object", "here")), experiment=bare)


def secret(trial: Trial) -> Any:
    import keras

    code = keras.layers.Lambda(lambda x: x * 2)
    return keras.Sequential([*build(trial).layers, code])


def test_safe_mode_refuses_a_model_that_carries_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = replace(EXPERIMENT, objective=replace(MODEL, build=secret))
    path = study(tmp_path, declared, source=Source("object", "here"))
    assert run_command(["export", str(path)]) == 2
    assert f"holds no model.keras yet; run `tuner refit {path}` first" in capsys.readouterr().err
    refit(path, experiment=declared, epochs=1)
    with pytest.raises(StudyError, match=r"model\.keras cannot be loaded: .*[Ll]ambda"):
        export(path)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--params", "[1]"], "--params: '[1]' is not a JSON object"),
        (["--trial", "99"], "there is no trial 99; there are 0 to 1"),
        (["--seed", "-1"], "--seed: -1 must be a whole number of at least 0"),
    ],
)
def test_a_mistyped_refit_is_one_line(
    arguments: list[str], line: str, refitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["refit", str(refitted), *arguments]) == 2
    assert line in capsys.readouterr().err


def test_an_unknown_format_is_named(refitted: Path) -> None:
    with pytest.raises(StudyError, match=r"format: 'h5' is not one of keras, json\+h5"):
        export(refitted, "h5")


def test_predictions_become_probabilities_of_all_classes() -> None:
    single = np.array([[0.0], [2.0]])
    chances = probabilities(single, logits=True)
    np.testing.assert_allclose(chances, [[0.5, 0.5], [0.119203, 0.880797]], atol=1e-6)
    np.testing.assert_allclose(probabilities(chances[:, 1:], logits=False), chances)
    logits = np.log([[0.2, 0.3, 0.5]]) + 7
    np.testing.assert_allclose(probabilities(logits, logits=True), [[0.2, 0.3, 0.5]])

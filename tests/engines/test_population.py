"""A population on real workers: weights pass from trial to trial, a schedule can be replayed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import tuner
from analysis.replay_record import record
from analysis.replay_show import show_simulation
from tests.cells import Reports  # first: it limits TensorFlow's threads, as workers' are
from tuner.data.datasets import Dataset, load
from tuner.data.splits import Splits, cell_data
from tuner.errors import ExperimentError, StudyError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.models.chosen import kin_of
from tuner.models.refit import refit
from tuner.results.results import Results
from tuner.runner.confirm import confirm
from tuner.runner.show import show_study, show_trial
from tuner.search_space.axes import Categorical, Float
from tuner.store.layout import FILES_FOLDER
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Ending
from tuner.trial.trial import Trial

# Keras reads its variables in a way that NumPy deprecates, when it saves them too.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def few_digits() -> Dataset:
    whole = load("digits")
    return Dataset(
        "few", whole.x_train[:300], whole.y_train[:300], whole.x_test[:50], whole.y_test[:50],
        n_classes=10,
    )  # fmt: skip


def build(trial: Trial) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(trial.data.x_train.shape[1:]),
            layers.Flatten(),
            layers.Dense(trial["units"], "relu"),
            layers.Dropout(trial["dropout"]),
            layers.Dense(10, "softmax"),
        ]
    )


def sgd(trial: Trial) -> Any:
    import keras

    return keras.optimizers.SGD(trial["lr"], momentum=trial["momentum"])


EXPERIMENT = Experiment(
    "population",
    {
        "lr": Float(1e-3, 0.3, log=True),
        "momentum": Float(0.0, 0.95),
        "dropout": Float(0.0, 0.6),
        "batch_size": Categorical([16, 32, 64]),
        "units": Categorical([8, 16]),
        "epochs": 6,
    },
    KerasModel(build=build, optimizer=sgd, batch_size=lambda trial: trial["batch_size"]),
    dataset=few_digits,
    scheduler="pbt",
    members=6,
    interval=2,
    explore=["lr", "momentum", "dropout", "batch_size"],
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("population")
    return tuner.run(EXPERIMENT, results=str(folder), seed=2, concurrency=2, keep_models=0)


def test_every_round_replaces_the_worst_and_leaves_no_weights_behind(results: Results) -> None:
    trials = results.trials.set_index("trial")
    assert list(trials["state"].value_counts().loc[["COMPLETE", "STOPPED"]]) == [6, 2]
    children = trials[trials["parent"].notna()]
    assert list(children["from_epoch"]) == [2, 4]
    assert list(children["epochs"]) == [4, 2]
    assert (children["param_units"] == trials.loc[children["parent"], "param_units"].values).all()
    assert results.study.experiment.engine == "ray_tune"
    assert not list((results.path / FILES_FOLDER).rglob("*.npz"))


def again_of(results: Results, trial: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a trial reported, and what its schedule does that is trained again by `fit`."""
    data = cell_data(few_digits(), Splits(seed=2))
    params, kin = results.params(trial), kin_of(results, trial)
    assert kin is not None
    seed = int(results.schedule(trial)["seed"].iloc[-1])
    cell = Cell(trial, 1, 0, params, seed, params["epochs"], kin.born, kin)
    again = Reports()
    outcome = run_cell(EXPERIMENT.objective, "val_accuracy", cell, again.send, lambda: data)
    clear_worker()
    assert outcome.ending is Ending.FINISHED
    rows = results.reports.query("trial == @trial").sort_values("epoch")
    assert list(rows["epoch"]) == again.epochs
    names = ["loss", "val_loss", "accuracy", "val_accuracy", "learning_rate"]
    return rows[names].reset_index(drop=True), pd.DataFrame(again.metrics)[names]


def test_a_schedule_trained_again_gives_the_numbers_that_its_trials_reported(
    results: Results,
) -> None:
    child = int(results.trials["trial"].max())
    schedule = results.schedule(child)
    assert list(schedule["from_epoch"])[1:] == list(schedule["to_epoch"])[:-1]
    assert schedule["to_epoch"].iloc[-1] == 6
    reported, again = again_of(results, child)
    pd.testing.assert_frame_equal(again, reported, rtol=1e-6)


def test_lanes_hand_their_weights_on_too(tmp_path: Path) -> None:
    space = {**EXPERIMENT.space, "batch_size": 32, "units": 8, "epochs": 4}
    fields: dict[str, Any] = {"space": space, "members": 4}
    fields["explore"] = ["lr", "momentum", "dropout"]
    fused = tuner.run(
        EXPERIMENT, results=str(tmp_path), seed=2, concurrency=1, keep_models=0, engine="fused",
        **fields,
    )  # fmt: skip
    assert list(fused.trials["parent"].notna()) == [False] * 4 + [True]
    assert set(fused.trials["trained_by"]) == {"lanes"}
    assert not list((fused.path / FILES_FOLDER).rglob("*.npz"))
    reported, again = again_of(fused, 4)
    pd.testing.assert_frame_equal(again, reported, rtol=1e-3)


def test_a_trial_is_shown_with_where_it_comes_from(results: Results) -> None:
    trials = results.trials
    child = trials[trials["parent"].notna()].iloc[0]
    lost = trials[trials["why"] != ""].iloc[0]
    console = Console(file=io.StringIO(), width=200)
    for trial in (child["trial"], lost["trial"]):
        show_trial(results.path, int(trial), console)
    show_study(results.path, 10, console)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert f"it went on from trial {child['parent']:.0f}'s weights of epoch 2" in said
    assert (
        f"lineage: {child['parent']:.0f} (epochs 1 to 2) > {child['trial']} (epochs 3 to 6)" in said
    )
    assert lost["why"] in said
    assert "saved" not in said  # another trial trains what a replaced one does not


def test_nobody_confirms_or_replays_a_population(results: Results) -> None:
    with pytest.raises(StudyError, match="whose best trial is its schedule"):
        confirm(results.path, experiment=EXPERIMENT)
    with pytest.raises(ExperimentError, match="no recorded curve says"):
        show_simulation(
            results.path, Console(), schedulers=["pbt"], etas=[3], min_epochs=1, workers=[2],
            sampler="random", seeds=1, top=1, out=results.path / "simulate.html",
        )  # fmt: skip
    recorded = record(results)
    whole = results.trials["parent"].isna() & results.trials["state"].eq("COMPLETE")
    assert len(recorded.points) == whole.sum()


def test_a_refit_lives_through_the_schedule(results: Results) -> None:
    child = int(results.trials["trial"].max())
    said: list[str] = []
    done = refit(results.path, trial=child, schedule=True, experiment=EXPERIMENT, say=said.append)
    best = int(results.trials.set_index("trial").loc[child, "best_epoch"])
    assert done.epochs == best
    assert done.metrics["accuracy"] > 0.5
    refit(results.path, trial=child, experiment=EXPERIMENT, say=said.append)
    assert any("this trains its parameters alone" in line for line in said)
    with pytest.raises(StudyError, match="a schedule is trained as it was"):
        refit(results.path, trial=child, schedule=True, epochs=3, experiment=EXPERIMENT)
    refit(results.path, trial=0, schedule=True, experiment=EXPERIMENT, say=said.append)
    assert "trial 0 began by itself: its parameters are all its schedule" in said

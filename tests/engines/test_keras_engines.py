"""One suite for the engines that train declared networks: the same study, whoever carries it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.brain import close, experiment, open_study
from tests.engines.jobs import job
from tuner.cluster.session import connect
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import Splits
from tuner.engines.registry import make_engine
from tuner.experiment.experiment import KerasModel
from tuner.search_space.axes import Categorical, Float, Int
from tuner.study.study import Study
from tuner.trial.cells import State

ENGINES = ["ray_tune", "fused"]
DIGITS = load_dataset("digits")
Run = Callable[..., Study]


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(trial["rate"])


def network(trial: Any) -> Any:
    import keras

    return keras.Sequential(
        [
            keras.Input(trial.data.input_shape),
            keras.layers.Flatten(),
            keras.layers.Dense(trial.params.get("width", 8), activation="relu"),
            keras.layers.Dense(trial.data.n_classes, activation="softmax"),
        ]
    )


def raises_at_first(trial: Any) -> Any:
    if trial.cell.attempt == 1 and trial["rate"] > 0.15:
        raise ValueError("once")
    return network(trial)


def raises_for_some(trial: Any) -> Any:
    if trial["width"] == 9:
        raise ValueError("always")
    return network(trial)


def declared(build: Any = network, batch_size: int = 256) -> KerasModel:
    return KerasModel(build=build, optimizer=sgd, batch_size=batch_size)


@pytest.fixture(scope="module", params=ENGINES)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with connect(concurrency=1) as runtime:

        def on_engine(folder: Path, build: Any = network, **fields: Any) -> Study:
            base = {"space": {"rate": Float(0.05, 0.2)}, "epochs": 4, "dataset": "digits"}
            settled = experiment(**{**base, "objective": declared(build), **fields})
            study = open_study(settled, folder, clock=time.time)
            splits = Splits(mode=settled.mode, folds=settled.folds, seed=settled.seed)
            work = job(settled, DIGITS, splits=splits)
            make_engine(request.param, work, runtime).run(study)
            close(study)
            return study

        yield on_engine


def reports(folder: Path) -> pd.DataFrame:
    frame = pd.read_parquet(folder / "reports.parquet")
    assert not frame.duplicated(["trial", "fold", "epoch"]).any()
    return frame


def test_every_trial_has_its_own_epochs_each_reported_once(run: Run, tmp_path: Path) -> None:
    space = {"rate": Float(0.05, 0.2), "epochs": Int(1, 5)}
    study = run(tmp_path, space=space, sampler="random", scheduler="none", trials=10, epochs=None)
    assert study.finished
    assert study.counts() == {State.COMPLETE: 10}
    frame = reports(tmp_path)
    for record in study.records:
        epochs = frame[frame["trial"] == record.trial]["epoch"].tolist()
        assert epochs == list(range(1, record.params["epochs"] + 1))
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= set(frame)


def test_stopped_and_diverged_trials_report_no_more(run: Run, tmp_path: Path) -> None:
    space = {"rate": Categorical([0.01, 0.1, 0.3, 1e30]), "width": Categorical([6, 8])}
    fields = {"sampler": "random", "scheduler": "asha_stopping", "eta": 2, "metric": "val_loss"}
    study = run(tmp_path, space=space, trials=16, seed=3, **fields)
    assert study.finished
    assert set(study.counts()) == {State.COMPLETE, State.STOPPED, State.DIVERGED}
    frame = reports(tmp_path)
    for record in study.records:
        mine = frame[frame["trial"] == record.trial].sort_values("epoch")
        assert len(mine) == record.epochs
        assert (mine["decision"].iloc[:-1] == "CONTINUE").all()
        assert (mine["decision"].iloc[-1] == "STOP") == (record.state is not State.COMPLETE)
        assert (record.state is State.DIVERGED) == (record.params["rate"] == 1e30)


def test_a_raise_is_tried_again_and_its_reports_are_not_doubled(run: Run, tmp_path: Path) -> None:
    study = run(tmp_path, raises_at_first, scheduler="none", sampler="random", trials=6)
    assert study.counts() == {State.COMPLETE: 6}
    assert {record.attempt for record in study.records} == {1, 2}
    assert len(reports(tmp_path)) == 6 * 4


def test_cv_runs_every_cell_once_and_failed_cells_are_named(run: Run, tmp_path: Path) -> None:
    space = {"rate": 0.1, "width": Categorical([8, 9, 10])}
    study = run(tmp_path, raises_for_some, space=space, mode="cv", folds=3, retries=0)
    assert study.counts() == {State.COMPLETE: 2, State.FAILED: 1}
    assert "always" in (study.records[1].error or "")
    assert len(reports(tmp_path)) == 2 * 3 * 4
    for record in (study.records[0], study.records[2]):
        values = [cell.value for cell in record.cells.values()]
        assert len(set(values)) > 1
        assert record.value == pytest.approx(math.fsum(values) / 3)  # type: ignore[arg-type]


def test_three_failures_at_first_end_the_run(run: Run, tmp_path: Path) -> None:
    space = {"rate": 0.1, "width": 9}
    study = run(tmp_path, raises_for_some, space=space, sampler="random", retries=0, trials=9)
    assert study.finished
    assert "the first 3 trials all failed" in str(study.abort)
    assert len(study.records) <= 9

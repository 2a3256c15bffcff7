"""One point ends its process: its own trial fails, and the others complete, once each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.brain import close, experiment, open_study
from tests.engines.jobs import job
from tuner.cluster.session import Runtime, connect
from tuner.engines.choice import Chosen
from tuner.engines.registry import make_engine
from tuner.experiment.experiment import KerasModel
from tuner.search_space.axes import Categorical
from tuner.study.study import Study
from tuner.testing.engines import digits, sgd

RATES = [0.01, 0.03, 0.1, 0.3]


def killer(trial: Any) -> Any:
    import keras

    if trial["rate"] == 0.1 and trial["kind"] == "kills":
        os._exit(1)
    return keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(trial.data.n_classes, activation="softmax")]
    )


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with connect(concurrency=1) as connected:
        yield connected


@pytest.mark.parametrize("engine", ["fused", "ray_tune"])
def test_a_point_that_kills_its_process_costs_its_own_trial_alone(
    runtime: Runtime, tmp_path: Path, engine: str
) -> None:
    settled = experiment(
        space={"rate": Categorical(RATES), "kind": Categorical(["fine", "kills"]), "epochs": 2},
        objective=KerasModel(build=killer, optimizer=sgd, batch_size=64),
        mode="grid", dataset="digits",
    )  # fmt: skip
    study: Study = open_study(settled, tmp_path)
    Chosen(engine, "asked for", make_engine(engine, job(settled, digits()), runtime)).run(study)
    close(study)
    trials = pd.read_parquet(tmp_path / "trials.parquet")
    kills = (trials["param_rate"] == 0.1) & (trials["param_kind"] == "kills")
    assert kills.sum() == 1
    assert trials.loc[kills, ["state", "attempt"]].to_numpy().tolist() == [["FAILED", 3]]
    assert trials.loc[~kills, "state"].tolist() == ["COMPLETE"] * 7
    assert trials.loc[~kills, "attempt"].tolist() == [1] * 7
    assert trials.loc[~kills, "epochs"].tolist() == [2] * 7

"""A search that pauses and promotes, on real workers: what is trained, and what twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
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
from tuner.search_space.axes import Float
from tuner.study.study import Study
from tuner.testing.engines import build, digits, sgd
from tuner.trial.cells import State

TRIALS = 24


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with connect(concurrency=2) as connected:
        yield connected


def rising(trial: Any) -> None:
    """A line in a file for every epoch that is trained; the loss depends on all epochs before."""
    total = 0.0
    for epoch in range(1, trial.epochs + 1):
        with Path(trial["log"]).open("a") as log:
            print(trial.number, epoch, os.getpid(), file=log)
        total += trial["x"] * 0.5**epoch
        if trial.report(epoch, {"val_accuracy": total}):
            return


def searched(runtime: Runtime, folder: Path, study_type: type[Study] = Study) -> pd.DataFrame:
    """The epochs that were trained, of a whole search by promotion."""
    log = folder / "log"
    settled = experiment(
        space={"x": Float(0.0, 1.0), "log": str(log), "epochs": 9},
        objective=rising, scheduler="asha", sampler="random", eta=3, trials=TRIALS,
    )  # fmt: skip
    opened = open_study(settled, folder)
    opened.__class__ = study_type
    Chosen("ray_tune", "", make_engine("ray_tune", job(settled), runtime)).run(opened)
    close(opened)
    assert opened.finished
    assert len(opened.records) == TRIALS
    assert set(opened.counts()) == {State.COMPLETE, State.STOPPED}
    reports = pd.read_parquet(folder / "reports.parquet")
    assert not reports.duplicated(["trial", "fold", "epoch"]).any()
    for trial, mine in reports.groupby("trial"):
        assert sorted(mine["epoch"]) == list(range(1, len(mine) + 1)), trial
    names = ["trial", "epoch", "pid"]
    return pd.read_csv(log, sep=" ", names=names)


def test_a_promoted_function_goes_on_where_it_waited(runtime: Runtime, tmp_path: Path) -> None:
    trained = searched(runtime, tmp_path)
    twice = trained.duplicated(["trial", "epoch"]).sum()
    assert twice <= 0.05 * len(trained)
    reached = trained.groupby("trial")["epoch"].max()
    assert {1, 3} <= set(reached)  # paused at its first and at its second rung
    assert reached.max() == 9
    assert len(set(trained["pid"])) == 2


def test_a_promoted_function_whose_process_is_gone_trains_again_to_the_same_numbers(
    runtime: Runtime, tmp_path: Path
) -> None:
    killed: list[int] = []

    class Kills(Study):
        """Kills the worker that holds the most parked trainings, once."""

        def report(self, *taken: Any) -> Any:
            decision = super().report(*taken)
            log = pd.read_csv(tmp_path / "log", sep=" ", names=["trial", "epoch", "pid"])
            if not killed and len(set(log["trial"])) >= TRIALS // 2:
                killed.append(Counter(log["pid"]).most_common(1)[0][0])
                os.kill(killed[0], signal.SIGKILL)
            return decision

    trained = searched(runtime, tmp_path, Kills)
    assert killed
    trials = pd.read_parquet(tmp_path / "trials.parquet").set_index("trial")
    reports = pd.read_parquet(tmp_path / "reports.parquet")
    for trial, mine in reports.groupby("trial"):
        expected = [trials.loc[trial, "param_x"] * (1 - 0.5**e) for e in sorted(mine["epoch"])]
        assert sorted(mine["val_accuracy"]) == pytest.approx(expected)
    assert (trials["attempt"] <= 2).all()
    assert killed[0] in set(trained["pid"])


@pytest.mark.parametrize("engine", ["fused", "ray_tune"])
def test_declared_trainings_pause_and_go_on(runtime: Runtime, tmp_path: Path, engine: str) -> None:
    settled = experiment(
        space={"rate": Float(0.001, 0.5, log=True), "epochs": 9}, metric="val_accuracy",
        objective=KerasModel(build=build, optimizer=sgd, batch_size=32), dataset="digits",
        scheduler="asha", sampler="random", trials=8, deterministic=True, window=4,
    )  # fmt: skip
    study = open_study(settled, tmp_path)
    Chosen(engine, "", make_engine(engine, job(settled, digits()), runtime)).run(study)
    close(study)
    assert set(study.counts()) <= {State.COMPLETE, State.STOPPED}
    reports = pd.read_parquet(tmp_path / "reports.parquet").sort_values(["trial", "epoch"])
    assert not reports.duplicated(["trial", "epoch"]).any()
    assert {"PAUSE"} < set(reports["decision"]) <= {"PAUSE", "CONTINUE", "STOP"}
    assert (reports.groupby("trial")["time_s"].diff().dropna() > 0).all()

"""Real Ray, real Keras, real digits: the main job and what it promises."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

import tuner
from tuner.data.datasets import load as load_dataset
from tuner.data.splits import Splits, cell_data
from tuner.experiment.loading import load as load_experiment
from tuner.store.layout import PHASES, REPORT_LOG_FILE
from tuner.store.ledger import journal_storage

NOT_THE_SAME = ["host", "worker", "started_at", "duration_s", *PHASES, "peak_rss_mb"]


def lr_momentum(results: Path, **fields: Any) -> tuner.Results:
    return tuner.run("lr_momentum", results=results, **fields)


def table(results: tuner.Results) -> pd.DataFrame:
    return results.trials.drop(columns=NOT_THE_SAME)


def test_the_main_job_finds_a_good_network_and_says_what_became_of_each_trial(
    tmp_path: Path,
) -> None:
    results = lr_momentum(tmp_path, trials=12, seed=7)
    trials = pd.read_parquet(tmp_path / "lr_momentum" / "trials.parquet")
    assert trials["trial"].tolist() == list(range(12))
    assert set(trials["state"]) <= {"COMPLETE", "STOPPED", "DIVERGED"}
    assert results.best is not None
    assert results.best.value > 0.9
    assert set(results.best_params) == set(results.study.space)
    data = cell_data(load_dataset("digits"), Splits(seed=7))
    model = results.best_model()  # trained once, in the search
    judged = model.predict(data.x_val, verbose=0).argmax(axis=1)
    assert (judged == data.y_val).mean() == pytest.approx(results.best.value, abs=0.01)
    assert len(list((tmp_path / "lr_momentum" / "models").iterdir())) == 1
    assert results.test_score()["accuracy"] > 0.85
    reports = pd.read_parquet(tmp_path / "lr_momentum" / "reports.parquet")
    assert not reports.duplicated(["trial", "fold", "epoch"]).any()
    assert (reports.groupby("trial").size() == trials.set_index("trial")["epochs"]).all()
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= set(reports)
    own = trials[trials["shared_with"].isna()]
    assert own[list(PHASES)].notna().all(axis=None)
    assert (own[list(PHASES)[1:]].sum(axis=1) <= own["duration_s"] + 0.01).all()
    assert set(reports["worker"]) == set(own["worker"])
    stopped = trials[trials["state"] == "STOPPED"]["trial"].tolist()
    assert stopped
    storage = journal_storage(tmp_path / "lr_momentum")
    told = optuna.load_study(study_name="lr_momentum", storage=storage).trials
    for number in stopped:
        attempt = next(t for t in told if t.user_attrs["trial"] == number)
        values = reports[reports["trial"] == number].set_index("epoch")["val_accuracy"]
        assert attempt.state is optuna.trial.TrialState.PRUNED
        assert attempt.intermediate_values == pytest.approx(values.to_dict())


@pytest.mark.parametrize(
    "fields",
    [{"sampler": "random", "scheduler": "none"}, {"deterministic": True, "window": 3}],
    ids=["random", "deterministic"],
)
def test_concurrency_changes_nothing_but_times_and_hosts(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    one, two = (
        lr_momentum(tmp_path / str(n), seed=3, trials=6, epochs=3, concurrency=n, **fields)
        for n in (1, 2)
    )
    pd.testing.assert_frame_equal(table(one), table(two))


def test_a_diverging_trial_ends_within_one_epoch(tmp_path: Path) -> None:
    space = {
        **load_experiment("lr_momentum").experiment.space,
        "learning_rate": 1e6,
        "initializer": "glorot_uniform",
    }
    results = lr_momentum(tmp_path, space=space, trials=2, seed=1, metric="val_loss")
    assert results.trials["state"].tolist() == ["DIVERGED", "DIVERGED"]
    assert results.trials["epochs"].tolist() == [1, 1]
    assert results.best is None


MINE = """
import helpers
from tuner import Experiment, Float, Int

def train(trial):
    for epoch in range(1, trial.epochs + 1):
        helpers.wait(0.05)
        with open(helpers.LOG, "a") as log:
            print(trial.number, epoch, file=log)
        trial.report(epoch, {"score": helpers.score(trial["x"], epoch)})

SPACE = {"x": Float(0, 1), "epochs": 10}
EXPERIMENT = Experiment("mine", SPACE, train, metric="score", scheduler="none", sampler="random",
                        dataset=None, trials=8)
"""

HELPERS = """
from pathlib import Path
from time import sleep as wait

LOG = Path(__file__).parent / "log.txt"

def score(x, epoch):
    return x * epoch
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's file with a sibling, in a folder of its own, which no later test finds."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "helpers", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "helpers.py").write_text(HELPERS)
    return folder / "mine.py"


def start(mine: Path, folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    """Start a run; what it prints goes to out.txt and err.txt, which no process left holds open."""
    command = [sys.executable, "-m", "tuner", "run", str(mine), "--seed", "5", *flags]
    with (folder / "out.txt").open("wb") as out, (folder / "err.txt").open("wb") as err:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)


def wait_for_reports(process: subprocess.Popen[bytes], study: Path, count: int) -> None:
    log = study / REPORT_LOG_FILE
    deadline = time.monotonic() + 60
    while not log.exists() or log.read_bytes().count(b"\n") <= count:
        assert time.monotonic() < deadline, "no reports within a minute"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            pytest.fail("the run ended by itself")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_run_that_is_ended_goes_on_with_what_is_missing(
    mine: Path, tmp_path: Path, ends_orphans: None, number: int, code: int
) -> None:
    study = tmp_path / "results" / "mine"
    process = start(mine, tmp_path)
    wait_for_reports(process, study, 25)
    os.kill(process.pid, number)
    assert process.wait(timeout=60) == code
    if number != signal.SIGKILL:
        assert "go on with --study mine --resume" in (tmp_path / "err.txt").read_text()
        before = tuner.load(study).trials
        assert (before["state"] == "COMPLETE").any()
    kept = optuna.load_study(study_name="mine", storage=journal_storage(study)).trials
    done = [t.user_attrs["trial"] for t in kept if t.state is optuna.trial.TrialState.COMPLETE]
    assert done
    resumed = start(mine, tmp_path, "--resume")
    assert resumed.wait(timeout=120) == 0, (tmp_path / "err.txt").read_text()
    assert "8 trials" in (tmp_path / "out.txt").read_text()
    results = tuner.load(study)
    assert results.trials["state"].tolist() == ["COMPLETE"] * 8
    assert results.trials["epochs"].tolist() == [10] * 8
    assert not results.reports.duplicated(["trial", "fold", "epoch"]).any()
    assert len(results.reports) == 80
    log = (mine.parent / "log.txt").read_text()
    for trial in done:
        assert log.splitlines().count(f"{trial} 10") == 1
    calm = tuner.run(str(mine), results=tmp_path / "calm", seed=5) if code == -9 else None
    if calm is not None:
        same = ["trial", "state", "param_x", "value", "epochs", "seed"]
        pd.testing.assert_frame_equal(results.trials[same], calm.trials[same])


def test_the_fused_engine_is_chosen_and_stays_with_its_lanes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tuner", "run", "initializers"]
    started: dict[str, Any] = {"cwd": tmp_path, "capture_output": True, "text": True, "check": True}
    ran = subprocess.run([*command, "--seed", "1", "--lanes", "5"], **started)
    assert "engine: fused, 5 lanes a worker (its trials are networks of one" in ran.stdout
    assert re.search(r"the workers' \d+ s: .*train \d+%", ran.stdout)
    content = json.loads((tmp_path / "results" / "initializers" / "study.json").read_text())
    assert (content["experiment"]["engine"], content["experiment"]["lanes"]) == ("fused", 5)
    again = subprocess.run([*command, "--resume", "--engine", "auto"], **started)
    assert "engine: fused, 5 lanes a worker (its trials" in again.stdout
    results = tuner.load(tmp_path / "results" / "initializers")
    trials = results.trials.set_index("param_initializer")
    assert set(trials["state"]) == {"COMPLETE"}
    assert set(trials["engine"]) == {"fused"}
    assert trials.loc["zeros", "value"] < 0.2
    assert trials.loc["he_normal", "value"] > 0.6

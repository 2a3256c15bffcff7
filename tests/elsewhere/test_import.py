"""Studies made of results from elsewhere: each source as its tool writes it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import optuna
import pytest

import tuner
from tests.brain import experiment
from tuner.elsewhere.sources import import_study
from tuner.errors import ExperimentError, ResultsError
from tuner.results.results import Best
from tuner.runner.show import show_csv
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.store.learned import sources_of


def made(kind: str, source: Path | str, folder: Path, **given: Any) -> tuner.Results:
    """The study that is made of a source."""
    asked = {"name": "there", "metric": "loss", **given}
    return tuner.load(import_study(kind, str(source), results=folder, **asked))


def best(results: tuner.Results) -> Best:
    """The best trial, which there is."""
    assert results.best is not None
    return results.best


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    trial.suggest_categorical("kind", ["a", "b"])
    if trial.number == 3:
        raise ValueError("broken")
    for step in range(4):
        trial.report(rate + 1 / (step + 1), step)
        if step == 1 and trial.number % 2:
            raise optuna.TrialPruned
    return rate


@pytest.fixture(params=["journal", "sqlite"])
def optuna_study(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A study of 12 trials, one failed and five pruned, in a journal or a database."""
    source = str(tmp_path / "there.log")
    storage: Any = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(source)
    )
    if request.param == "sqlite":
        source = storage = f"sqlite:///{tmp_path}/there.db"
    study = optuna.create_study(
        storage=storage, study_name="theirs", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.optimize(objective, n_trials=12, catch=ValueError)
    return source


def test_an_optuna_study_becomes_one_of_ours(optuna_study: str, tmp_path: Path) -> None:
    results = made("optuna", optuna_study, tmp_path)
    assert results.trials["state"].value_counts().to_dict() == {
        "COMPLETE": 6,
        "STOPPED": 5,
        "FAILED": 1,
    }
    complete = results.trials[results.trials["state"] == "COMPLETE"]
    assert (complete["value"] == complete["param_rate"]).all()
    assert (complete["best_epoch"] == 4).all()  # Optuna's step 3
    assert results.study.settled_space()["rate"] == Float(1e-4, 1.0, log=True)
    assert results.study.settled_space()["kind"] == Categorical(["a", "b"])
    assert best(results).value == complete["value"].min()
    assert "param_rate" in show_csv(str(results.path))


@pytest.mark.parametrize("optuna_study", ["journal"], indirect=True)
def test_what_was_imported_can_be_reported_and_learned_from(
    optuna_study: str, tmp_path: Path
) -> None:
    results = made("optuna", optuna_study, tmp_path)
    assert Path(results.report()).is_file()
    space = {"rate": Float(1e-4, 1.0, log=True), "epochs": 9}
    given = {"sampler": "rung_gp", "scheduler": "rung_gp", "metric": "loss", "space": space}
    [source] = sources_of(experiment(**given, learn_from=[results.path])).sources
    assert len(source.curves) == 11
    assert not source.ends


def test_an_optuna_study_that_is_not_there_is_refused(optuna_study: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="holds theirs"):
        made("optuna", optuna_study, tmp_path, study="other")
    with pytest.raises(ResultsError, match="is missing"):
        made("optuna", f"sqlite:///{tmp_path}/none.db", tmp_path)
    assert not (tmp_path / "none.db").exists()


def test_a_csv_of_a_row_a_trial(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("units,rate,fixed,loss\n8,0.1,x,0.5\n64,0.2,x,0.25\n32,0.4,x,nan\n")
    results = made("csv", file, tmp_path)
    space = results.study.settled_space()
    assert space["units"] == Int(8, 64)
    assert space["rate"] == Float(0.1, 0.4)
    assert space["fixed"] == Constant("x")
    assert best(results).params == {"units": 64, "rate": 0.2, "fixed": "x"}
    assert list(results.trials["state"]) == ["COMPLETE", "COMPLETE", "DIVERGED"]


def test_a_csv_of_a_row_a_report(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    rows = ["trial,epoch,param_a,loss", "x,1,1,0.5", "y,1,2,0.75", "x,2,1,0.25", "y,2,2,0.5"]
    file.write_text("\n".join(rows))
    results = made("csv", file, tmp_path)
    assert list(results.trials["value"]) == [0.25, 0.5]
    assert list(results.trials["best_epoch"]) == [2, 2]
    assert len(results.reports) == 4


def test_a_store_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient((tmp_path / "mlruns").as_uri())
    where = client.create_experiment("theirs")
    for number, end in enumerate(["FINISHED", "FAILED", "RUNNING", "FINISHED"]):
        run = client.create_run(where).info.run_id
        client.log_param(run, "rate", 0.1 * (number + 1))
        client.log_param(run, "kind", "ab"[number % 2])
        for step in range(3):
            client.log_metric(run, "loss", number + 1 / (step + 1), step=step)
        if end != "RUNNING":
            client.set_terminated(run, end)
    results = made("mlflow", tmp_path / "mlruns", tmp_path, study="theirs")
    assert sorted(results.trials["state"]) == ["COMPLETE", "COMPLETE", "FAILED"]
    assert best(results).params == {"rate": 0.1, "kind": "a"}
    assert best(results).value == pytest.approx(1 / 3)
    assert best(results).epoch == 3


def ray_trial(folder: Path, rate: float, losses: list[float]) -> None:
    """The folder of a trial as Ray Tune writes it, but for its pickles."""
    folder.mkdir(parents=True)
    config = {"rate": rate, "net": {"units": 8}}
    (folder / "params.json").write_text(json.dumps(config))
    (folder / "params.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")  # never to be loaded
    rows = [
        {
            "loss": loss,
            "timestamp": 1700000000 + epoch,
            "training_iteration": epoch,
            "trial_id": "a1",
            "time_this_iter_s": 1.0,
            "time_total_s": float(epoch),
            "done": False,
            "config": config,
        }
        for epoch, loss in enumerate(losses, 1)
    ]
    (folder / "result.json").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_folder_of_ray_tune(tmp_path: Path) -> None:
    ray_trial(tmp_path / "there" / "train_1", 0.1, [0.5, 0.25])
    ray_trial(tmp_path / "there" / "train_2", 0.2, [0.75, float("nan")])
    ray_trial(tmp_path / "there" / "train_3", 0.3, [0.75])
    (tmp_path / "there" / "train_3" / "error.txt").write_text("ValueError: broken")
    csv_only = tmp_path / "there" / "train_4"
    csv_only.mkdir()
    table = "loss,training_iteration,config/rate,config/net/units\n0.9,1,0.4,8\n0.8,2,0.4,8\n"
    (csv_only / "progress.csv").write_text(table)
    results = made("ray", tmp_path / "there", tmp_path, name="ours")
    assert list(results.trials["state"]) == ["COMPLETE", "DIVERGED", "FAILED", "COMPLETE"]
    assert best(results).params == {"rate": 0.1, "net_units": 8}
    assert results.trials["error"][2] == "ValueError: broken"
    assert results.trials["value"][3] == 0.8
    assert results.trials["duration_s"][0] == 2.0


def test_parameters_that_some_lack_are_left_out_and_said(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("rate,momentum,loss\n0.1,0.9,1\n0.2,,2\n")
    said: list[str] = []
    results = made("csv", file, tmp_path, say=said.append)
    assert list(results.study.settled_space()) == ["rate"]
    assert said == ["parameters that not every trial has are left out: momentum"]


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("cvs", {}, "did you mean 'csv'"),
        ("csv", {"metric": "accuracy"}, "none of 1 trials has a value of 'accuracy'"),
        ("csv", {"name": "../up"}, "may hold letters"),
        ("csv", {"direction": "down"}, "direction"),
    ],
)
def test_what_cannot_be_imported_is_refused_and_leaves_nothing(
    kind: str, given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text("rate,loss\n0.1,1\n")
    with pytest.raises(tuner.TunerError, match=said):
        made(kind, file, tmp_path / "results", **given)
    assert not (tmp_path / "results").exists()


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("rate,loss\n0.1,1\n0.2,2\n")
    made("csv", file, tmp_path)
    with pytest.raises(ExperimentError, match="is a study already"):
        made("csv", file, tmp_path)


@pytest.mark.parametrize("kind", ["csv", "mlflow", "ray", "optuna"])
def test_a_source_that_is_not_there_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="nothing"):
        made(kind, tmp_path / "nothing", tmp_path)


def test_a_failed_trial_without_parameters_takes_none_from_the_others(tmp_path: Path) -> None:
    def raising(trial: optuna.Trial) -> float:
        if trial.number == 1:
            raise ValueError("before it asked")
        return trial.suggest_float("rate", 0.0, 1.0)

    source = str(tmp_path / "there.log")
    backend = optuna.storages.journal.JournalFileBackend(source)
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="t")
    study.optimize(raising, n_trials=3, catch=ValueError)
    said: list[str] = []
    found = made("optuna", source, tmp_path, say=said.append)
    assert list(found.trials["state"]) == ["COMPLETE", "COMPLETE"]
    assert said == ["1 trials that failed before they had all parameters are left out"]


def test_a_csv_says_how_a_trial_ended_and_texts_stay_texts(tmp_path: Path) -> None:
    table = tmp_path / "optuna.csv"
    table.write_text(
        "number,value,params_layers,params_seed,state\n"
        "0,.5,64_32,99999999999999999999,COMPLETE\n"
        "1,.6,128,1,PRUNED\n"
        "2,,64_32,1,FAIL\n"
        "3,,128,1,RUNNING\n"
    )
    trials = made("csv", table, tmp_path, metric="value", direction="maximize").trials
    assert list(trials["state"]) == ["COMPLETE", "STOPPED", "FAILED"]
    assert list(trials["param_layers"]) == ["64_32", "128", "64_32"]
    assert list(trials["param_seed"]) == ["99999999999999999999", "1", "1"]


def test_a_folder_of_ray_tune_that_was_killed_and_one_that_diverged(tmp_path: Path) -> None:
    for name, rate in (("a", 0.1), ("b", 0.2)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "params.json").write_text(json.dumps({"rate": rate}))
    progress = "pid_loss,pid,training_iteration\n0.5,1,1\n-inf,1,2\n"
    (tmp_path / "runs" / "a" / "progress.csv").write_text(progress)
    result = tmp_path / "runs" / "b" / "result.json"
    result.write_text('{"pid_loss": 0.4, "training_iteration": 1}\n{"pid_loss": 0.3, "train')
    found = made("ray", tmp_path / "runs", tmp_path, metric="pid_loss")
    assert list(found.trials["state"]) == ["DIVERGED", "COMPLETE"]
    assert best(found).value == 0.4
    result.write_text('{"pid_loss": 0.\n{"pid_loss": 0.3, "training_iteration": 2}\n')
    with pytest.raises(ResultsError, match=r"result\.json, line 1: "):
        made("ray", tmp_path / "runs", tmp_path, metric="pid_loss", name="other")


def test_deleted_runs_of_mlflow_do_not_count(tmp_path: Path) -> None:
    store = tmp_path / "mlruns" / "0"
    for at, stage in enumerate(["active", "deleted"]):
        for kind, name, text in (("params", "rate", f"0.{at + 1}"), ("metrics", "loss", "1 0.5 0")):
            (store / f"run{at}" / kind).mkdir(parents=True)
            (store / f"run{at}" / kind / name).write_text(text)
        (store / f"run{at}" / "meta.yaml").write_text(f"status: 3\nlifecycle_stage: {stage}\n")
    (store / "meta.yaml").write_text("name: theirs\n")
    assert list(made("mlflow", tmp_path / "mlruns", tmp_path).trials["param_rate"]) == [0.1]

"""MLflow and W&B hear what the tables hold: read back from a local store, and offline."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from tests.brain import experiment, half_diverging, open_study
from tuner.engines.simulated import VirtualClock, run
from tuner.errors import EngineError
from tuner.experiment.loading import Loaded, Source
from tuner.registry import said
from tuner.search_space.space import SearchSpace
from tuner.store.loggers import Guarded, loggers_of
from tuner.store.study_json import describe
from tuner.store.tables import Recorder
from tuner.study.study import Study
from tuner.trial.cells import CellKey


def logged(folder: Path, name: Any, say: Any = print, **fields: Any) -> Study:
    """A simulated study that a logger hears of."""
    settled = experiment(trials=5, sampler="random", scheduler="asha_stopping", **fields)
    loaded = Loaded(settled, Source("object", __name__))
    folder.mkdir(exist_ok=True)
    describe(loaded, settled, None, name=folder.name).write(folder)
    study = open_study(settled)
    told = loggers_of([name], folder, metric=settled.goals[0].metric, cells=1, say=say)
    study.recorder = Recorder(folder, SearchSpace(settled.space), said(settled.engine), told)
    run(study, half_diverging, workers=2, clock=VirtualClock())
    study.recorder.close(study.records)
    return study


def test_mlflow_has_a_run_a_trial_below_the_studys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    study = logged(tmp_path / "mine", "mlflow")
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    kept = client.get_experiment_by_name("mine")
    assert kept is not None
    runs = client.search_runs([kept.experiment_id])
    (parent,) = [one for one in runs if "tuner.study" in one.data.tags]
    children = {int(one.data.tags["tuner.trial"]): one for one in runs if one is not parent}
    assert sorted(children) == list(range(5))
    for record in study.records:
        child = children[record.trial]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.tags["tuner.state"] == record.state
        assert float(child.data.params["x"]) == record.params["x"]
        curve = client.get_metric_history(child.info.run_id, "val_accuracy")
        steps = {point.step: point.value for point in curve}
        assert {e: v for e, v in steps.items() if v == v} == record.curves[0]
        assert child.info.status in ("FINISHED", "FAILED")
    best = study.best()
    assert best is not None
    assert parent.data.metrics["best_val_accuracy"] == best.value
    tags = parent.data.tags
    assert (tags["tuner.best_trial"], tags["tuner.best_by"]) == (str(best.trial), "value")
    assert parent.info.status == "FINISHED"


def test_mlflow_goes_on_with_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for _ in range(2):
        logged(tmp_path / "mine", "mlflow")
        rmtree(tmp_path / "mine")
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    kept = client.get_experiment_by_name("mine")
    assert kept is not None
    assert len(client.search_runs([kept.experiment_id])) == 1 + 5


def test_wandb_offline_has_a_run_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wandb") is None:
        pytest.skip("wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    logged(tmp_path / "mine", "wandb")
    files = list((tmp_path / "mine" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 5
    import wandb

    wandb.teardown()


class Broken:
    """A logger whose service has gone."""

    calls = 0

    def append(self, report: Any) -> None:
        self.calls += 1
        raise ConnectionError("the server has gone")

    def ended(self, record: Any) -> None:
        raise AssertionError("it is told nothing more")

    drop = close = ended


def test_a_logger_that_fails_is_said_once_and_ends_no_study(tmp_path: Path) -> None:
    broken, lines = Broken(), list[str]()
    study = logged(tmp_path, broken, lines.append)
    assert study.total_ended() == 5
    assert broken.calls == 1
    assert lines == ["Broken is told nothing more of this study (the server has gone)"]
    Guarded(broken, lines.append).drop(CellKey(0, 0))
    assert len(lines) == 2


def test_an_unknown_logger_and_a_missing_package_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match="loggers: 'comet' is not one of mlflow, wandb, tensorb"):
        loggers_of(["comet"], tmp_path, metric="loss", cells=1)
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(EngineError, match=r"log: the package mlflow .*; pip install 'tuner\[mlf"):
        loggers_of(["mlflow"], tmp_path, metric="loss", cells=1)

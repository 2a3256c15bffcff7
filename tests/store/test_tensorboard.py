from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.brain import experiment, open_study, rising
from tuner.engines.simulated import VirtualClock, run
from tuner.errors import EngineError
from tuner.experiment.settle import cells_per_trial
from tuner.registry import said
from tuner.search_space.axes import Categorical
from tuner.search_space.space import SearchSpace
from tuner.store.loggers import plain_params
from tuner.store.report import Report
from tuner.store.tables import Recorder
from tuner.store.tensorboard import EventFiles
from tuner.study.study import Study
from tuner.trial.cells import CellKey


def with_events(folder: Path, **fields: Any) -> Study:
    """A simulated study whose reports go to event files."""
    settled = experiment(**fields)
    study = open_study(settled)
    events = EventFiles(folder, metric=settled.goals[0].metric, cells=cells_per_trial(settled))
    study.recorder = Recorder(None, SearchSpace(settled.space), said(settled.engine), [events])
    run(study, rising, workers=2, clock=VirtualClock())
    study.recorder.close(study.records)
    return study


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorFlow's reader finds in a run: (step, value) by tag."""
    import tensorflow as tf
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    paths = sorted(str(path) for path in folder.glob("events.out.tfevents.*"))
    for record in tf.data.TFRecordDataset(paths):
        event = Event.FromString(record.numpy())
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def report(trial: int, epoch: int, value: float) -> Report:
    metrics = {"val_accuracy": value}
    return Report(trial, 1, 0, epoch, 0.1 * epoch, metrics, "CONTINUE", epoch)


def test_every_trial_is_a_run_with_its_reports_value_and_parameters(tmp_path: Path) -> None:
    study = with_events(tmp_path, trials=6)
    root = tmp_path / "tensorboard"
    assert sorted(path.name for path in root.iterdir()) == ["0", "1", "2", "3", "4", "5"]
    for record in study.records:
        run_ = scalars(root / str(record.trial))
        steps = [step for step, _ in run_["val_accuracy"]]
        assert steps == list(range(1, record.epochs + 1))
        assert run_["val_accuracy"][-1][1] == pytest.approx(record.value)
        assert run_["loss"][0] == (1, 1.0)
        ((epoch, value),) = run_["value_val_accuracy"]
        assert epoch == record.epochs
        assert value == pytest.approx(record.value)
        assert "_hparams_/session_start_info" in run_


def test_in_a_cross_validation_every_fold_is_a_run(tmp_path: Path) -> None:
    with_events(tmp_path, trials=2, mode="cv", sampler="random", dataset="digits")
    for trial in ("0", "1"):
        folds = sorted(path.name for path in (tmp_path / "tensorboard" / trial).iterdir())
        assert folds == ["fold-0", "fold-1", "fold-2"]


def test_a_new_attempt_removes_the_run_of_the_old_one(tmp_path: Path) -> None:
    events = EventFiles(tmp_path, metric="val_accuracy", cells=1)
    events.append(report(0, 1, 0.25))
    events.append(report(0, 2, 0.5))
    events.drop(CellKey(0, 0))
    assert list((tmp_path / "tensorboard").iterdir()) == []
    events.append(report(0, 1, 0.75))
    events.close([])
    assert scalars(tmp_path / "tensorboard" / "0") == {"val_accuracy": [(1, 0.75)]}


def test_a_run_opened_again_in_the_same_second_loses_nothing(tmp_path: Path) -> None:
    events = EventFiles(tmp_path, metric="val_accuracy", cells=1)
    for epoch in (1, 2, 3):
        events.append(report(0, epoch, epoch / 4))
        events.finish(CellKey(0, 0))
    found = scalars(tmp_path / "tensorboard" / "0")
    assert sorted(found["val_accuracy"]) == [(1, 0.25), (2, 0.5), (3, 0.75)]


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        EngineError, match=r"tensorboard: event files need the package tensorboardX"
    ):
        EventFiles(tmp_path, metric="val_accuracy", cells=1)


def test_a_whole_number_that_no_float_holds_is_a_text_there(tmp_path: Path) -> None:
    space = {"x": 0.5, "seed": Categorical([2**70, 1]), "none": None, "epochs": 3}
    study = with_events(tmp_path, trials=2, space=space, sampler="random")
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == {"0", "1"}
    assert {type(value) for value in plain_params(study.records[0]).values()} >= {float, int}
    big = next(record for record in study.records if record.params["seed"] == 2**70)
    assert plain_params(big)["seed"] == str(2**70)

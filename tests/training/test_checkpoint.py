"""A training that dies goes on from its checkpoint, and ends as if it had not died."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cells import Reports, cell, digits
from tests.training.test_training import MODEL, adam, build_subclass
from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.training.checkpoint import CHECKPOINT_FILE, Checkpoint, CheckpointFile
from tuner.training.process import clear_worker
from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Decision, Ending, Outcome
from tuner.trial.trial import Trial

EPOCHS = 4


class Killed(BaseException):
    """Stands for a SIGKILL: nothing after it runs."""


def attempt(
    folder: Path,
    declaration: KerasModel = MODEL,
    *,
    every: int | None = 1,
    die_at: int | None = None,
    stop_at: int | None = None,
    this: Cell | None = None,
) -> tuple[Outcome, Reports, list[float]]:
    """What an attempt reports, and when; the process dies as it reports epoch `die_at`."""
    reports, times = Reports(stop_at), list[float]()

    def send(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        if epoch == die_at:
            raise Killed
        times.append(time_s)
        return reports.send(epoch, metrics, time_s)

    try:
        outcome = run_cell(
            declaration, "val_accuracy", this or cell(epochs=EPOCHS), send, digits, folder, every
        )
    finally:
        clear_worker()
    return outcome, reports, times


def dies(folder: Path, declaration: KerasModel = MODEL, at: int = 3, **more: Any) -> None:
    with pytest.raises(Killed):
        attempt(folder, declaration, die_at=at, **more)


def counting(build: Callable[[Trial], Any], counts: list[int]) -> Callable[[Trial], Any]:
    """The model, which counts the epochs that it trains."""

    def counted(trial: Trial) -> Any:
        model = build(trial)
        fit = model.fit

        def noted(*args: Any, **options: Any) -> Any:
            counts.append(options["epochs"] - options["initial_epoch"])
            return fit(*args, **options)

        model.fit = noted
        return model

    return counted


@pytest.mark.parametrize(
    "declaration",
    [
        MODEL,  # momentum on a schedule, dropout, a BatchNormalization
        replace(MODEL, build=build_subclass, optimizer=adam),  # whose optimizer is built late
    ],
    ids=["sgd", "adam, subclass"],
)
def test_a_fit_that_died_ends_as_an_undisturbed_one(
    tmp_path: Path, declaration: KerasModel
) -> None:
    _, calm, _ = attempt(tmp_path / "calm", declaration, every=None)
    for at in (2, 3):
        dies(tmp_path / "0", declaration, at)
    assert (tmp_path / "0" / CHECKPOINT_FILE).exists()
    trained: list[int] = []
    again = replace(declaration, build=counting(declaration.build, trained))
    outcome, reports, times = attempt(tmp_path / "0", again)
    assert (outcome.ending, outcome.error) == (Ending.FINISHED, None)
    assert reports.epochs == calm.epochs == [1, 2, 3, 4]
    assert trained == [2]
    for one, other in zip(reports.metrics, calm.metrics, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert times == sorted(times)
    assert outcome.duration_s >= times[-1]
    assert not (tmp_path / "0").exists()


def test_a_stop_at_an_epoch_that_is_reported_anew_ends_the_cell(tmp_path: Path) -> None:
    dies(tmp_path / "0")
    outcome, reports, _ = attempt(tmp_path / "0", stop_at=1)
    assert (outcome.ending, reports.epochs) == (Ending.FINISHED, [1])
    assert not (tmp_path / "0").exists()


def test_a_checkpoint_is_written_every_so_many_epochs_and_goes_with_the_cell(
    tmp_path: Path,
) -> None:
    dies(tmp_path / "2", every=2, at=2)
    assert not (tmp_path / "2").exists()
    dies(tmp_path / "2", every=2, at=4)
    (tmp_path / "2" / f".{CHECKPOINT_FILE}.77").write_bytes(b"half")

    def fails(trial: Trial) -> Any:
        raise ValueError("no model")

    outcome, _, _ = attempt(tmp_path / "2", replace(MODEL, build=fails))
    assert outcome.ending is Ending.RAISED
    assert not (tmp_path / "2").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    attempt(tmp_path / "mine", every=1)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_broken_checkpoint_is_ignored_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, arrays = CheckpointFile(tmp_path, cell(), "fit", 1), [np.arange(500.0)]
    file.write([(1, {"loss": 0.5}, 2.0)], arrays)
    path = tmp_path / CHECKPOINT_FILE
    whole = path.read_bytes()
    assert file.read(lambda: arrays) is not None
    for content in (b"", whole[: len(whole) // 2], whole[:-1]):
        capfd.readouterr()
        path.write_bytes(content)
        assert file.read(lambda: arrays) is None
        said = capfd.readouterr().out
        assert f"{path} is ignored, it cannot be read (" in said
        assert said.endswith("training starts at epoch 1\n")
    for at in range(0, len(whole), 97):  # some bytes of a .npz mean nothing
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        found = file.read(lambda: arrays)
        assert found is None or (found.arrays[0] == arrays[0]).all()
    np.savez(path, about=np.array([object()], dtype=object))
    assert file.read(lambda: arrays) is None
    assert "allow_pickle=False" in capfd.readouterr().out


def test_a_checkpoint_of_another_cell_or_network_is_ignored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mine = cell({"rate": 0.1}, epochs=EPOCHS)
    file = CheckpointFile(tmp_path, mine, "lanes", 1)
    arrays = [np.zeros((2, 3), np.float32), np.array([7], np.uint32)]
    file.write([(1, {"loss": 0.5}, 2.0), (2, {"loss": 0.25}, 4.0)], arrays)
    found = file.read(lambda: arrays)
    assert found is not None
    assert (found.epoch, found.reports[0]) == (2, (1, {"loss": 0.5}, 2.0))
    others = [
        replace(file, trainer="fit"),
        replace(file, cell=replace(mine, params={"rate": 0.2})),
        replace(file, cell=replace(mine, seed=8)),
        replace(file, cell=replace(mine, fold=1)),
    ]
    assert all(other.read(lambda: arrays) is None for other in others)
    assert "it is of another point or engine" in capfd.readouterr().out
    for fresh in (arrays[:1], [a.astype(np.float64) for a in arrays], [a[..., :1] for a in arrays]):
        assert file.read(lambda fresh=fresh: fresh) is None  # type: ignore[misc]
    assert "it is of another network or optimizer" in capfd.readouterr().out
    assert isinstance(replace(file, cell=replace(mine, attempt=2)).read(lambda: arrays), Checkpoint)


def test_a_disk_that_takes_no_checkpoint_ends_no_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0").write_text("no folder")
    file = CheckpointFile(tmp_path / "0" / "1", cell(), "fit", 1)
    file.write([(1, {"loss": 0.5}, 2.0)], [])
    assert "no checkpoint of epoch 1: " in capfd.readouterr().out


def test_a_training_step_of_ones_own_has_no_checkpoint(tmp_path: Path) -> None:
    def build(trial: Trial) -> Any:
        import keras

        class Own(keras.Sequential):
            def train_step(self, data: Any) -> Any:
                return super().train_step(data)

        return Own([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])

    dies(tmp_path / "0", replace(MODEL, build=build))
    assert not (tmp_path / "0").exists()


def test_it_is_refused_where_not_all_of_a_training_can_be_restored() -> None:
    fields: dict[str, Any] = {"name": "x", "space": {"epochs": 3}, "checkpoint_every": 2}
    with pytest.raises(ExperimentError, match=r"checkpoint_every: 2 is for a declared KerasModel"):
        Experiment(objective=print, **fields)
    with pytest.raises(ExperimentError, match=r"without callbacks of its own.*drop one"):
        Experiment(objective=replace(MODEL, callbacks=lambda trial: []), **fields)
    with pytest.raises(ExperimentError, match=r"checkpoint_every: 0 must be a whole number of at"):
        Experiment(objective=MODEL, **{**fields, "checkpoint_every": 0})
    assert Experiment(objective=MODEL, **fields).checkpoint_every == 2

"""The best trials of a study, trained again: who holds, and who was lucky."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import tuner
from tests.brain import experiment, open_study
from tuner.cli.app import run_command
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.errors import ExperimentError, StudyError
from tuner.runner.confirm import confirm
from tuner.trial.cells import Cell

FILE = """
from random import Random
from tuner import Categorical, Experiment, Int

def train(trial):
    luck = Random(trial.seed).gauss(0, 0.01)
    for epoch in range(1, trial["epochs"] + 1):
        trial.report(epoch, {"val_accuracy": trial["base"] + 0.01 * epoch + luck})

EXPERIMENT = Experiment(
    "lucky",
    {"base": Categorical([0.1, 0.5, 0.505, 0.7]), "epochs": Int(1, 5)},
    train,
    dataset=None,
    sampler="qmc",
    scheduler="asha_stopping",
    trials=8,
    engine="ray_tune",
)
"""


def test_the_leaders_train_again_on_new_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()  # the current project, whose code is trusted
    (tmp_path / "lucky.py").write_text(FILE)
    assert run_command(["run", "lucky.py", "--quiet"]) == 0
    capsys.readouterr()
    assert run_command(["confirm", "results/lucky", "--top", "2", "--seeds", "4"]) == 0
    said = capsys.readouterr().out
    again = tuner.load("results/lucky-confirmed")
    before = tuner.load("results/lucky").ranked().head(2)
    assert again.trials["param_base"].tolist() == before["param_base"].tolist()
    assert again.trials["param_epochs"].tolist() == before["best_epoch"].tolist()
    assert again.reports.groupby("trial")["fold"].nunique().tolist() == [4, 4]
    assert not set(again.trials["seed"]) & set(tuner.load("results/lucky").trials["seed"])
    best = again.ranked().iloc[0]
    assert best["value_std"] > 0
    assert f"4 new trainings {best['value']:.4f} +- " in said
    winner = int(before["trial"].iloc[int(best["trial"])])
    assert f"best: trial {winner}" in said


def confirmed(tmp_path: Path, luck: float) -> pd.DataFrame:
    """Two studies on the simulated engine, the second as `confirm` makes it; what it compares."""
    from tuner.experiment.loading import Loaded, Source
    from tuner.runner.confirm import _compared
    from tuner.store.study_json import describe

    settled = experiment(
        trials=2,
        repeats=5,
        sampler="random",
        scheduler="none",
        epochs=1,
        value="last",
        first=[{"x": 0.5, "epochs": 1}, {"x": 0.2, "epochs": 1}],
    )
    clock = VirtualClock()
    loaded = Loaded(settled, Source("object", __name__))
    describe(
        loaded, settled, None, name="brain", enqueued=[dict(point) for point in settled.first]
    ).write(tmp_path)
    study = open_study(settled, tmp_path, clock)
    lucky = (0.0, 1.0, -1.0, 0.5, -0.5)

    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": cell.params["x"] * (1 + luck * lucky[cell.fold])})]

    run(study, curve, workers=2, clock=clock)
    study.close()
    leaders = pd.DataFrame({"trial": [7, 3], "value": [0.6, 0.61]})
    return _compared(leaders, tuner.load(tmp_path))


def first_study(folder: Path, *places: float) -> Path:
    """A study of trials at these places, simulated."""
    from tests.brain import simulate
    from tuner.experiment.loading import Loaded, Source
    from tuner.store.study_json import describe

    folder.mkdir()
    settled = experiment(
        trials=len(places),
        sampler="random",
        scheduler="none",
        first=[{"x": place, "epochs": 4} for place in places],
    )
    loaded = Loaded(settled, Source("object", __name__))
    points = [dict(point) for point in settled.first]
    describe(loaded, settled, None, name=folder.name, enqueued=points).write(folder)
    simulate(settled, folder=folder)
    return folder


def test_the_results_have_what_was_confirmed_by_the_trials_own_numbers(tmp_path: Path) -> None:
    folder = first_study(tmp_path / "mine", 0.9, 0.5, 0.8, 0.2)
    assert tuner.load(folder).confirmed is None
    (tmp_path / "mine-confirmed").mkdir()
    table = confirmed(tmp_path / "mine-confirmed", luck=0.1)
    found = tuner.load(folder).confirmed
    assert found is not None
    assert found.table["trial"].tolist() == [1, 3]
    assert found.table["mean"].tolist() == table["mean"].tolist()
    assert found.best == 1
    values = tuner.load(folder).trials.set_index("trial")["value"]
    assert found.table["value"].tolist() == values.loc[[1, 3]].tolist()


def test_a_confirming_study_of_other_points_is_refused(tmp_path: Path) -> None:
    folder = first_study(tmp_path / "mine", 0.9, 0.5)
    (tmp_path / "mine-confirmed").mkdir()
    confirmed(tmp_path / "mine-confirmed", luck=0.1)
    with pytest.raises(StudyError, match="trains a point that no trial with a value"):
        _ = tuner.load(folder).confirmed


def test_the_mean_of_new_trainings_decides(tmp_path: Path) -> None:
    table = confirmed(tmp_path, luck=0.1)
    assert table["trainings"].tolist() == [5, 5]
    assert table["mean"].is_monotonic_decreasing
    assert table["stderr"].to_numpy() == pytest.approx(table["std"].to_numpy() / 5**0.5)
    assert table["tied"].tolist() == [False, False]


def test_a_difference_within_the_luck_is_a_tie(tmp_path: Path) -> None:
    assert confirmed(tmp_path, luck=20.0)["tied"].tolist() == [False, True]


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="top: 0 must be a whole number of 1 or more"):
        confirm(tmp_path, top=0)
    with pytest.raises(ExperimentError, match="seeds: 1 must be a whole number of 2 or more"):
        confirm(tmp_path, seeds=1)
    confirmed(tmp_path, luck=0.1)
    with pytest.raises(StudyError, match="has 2 trials with a value; confirm 2"):
        confirm(tmp_path, top=3)
    with pytest.raises(ExperimentError, match="made in memory; give it"):
        confirm(tmp_path, top=2)

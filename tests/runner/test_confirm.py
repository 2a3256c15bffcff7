"""The best trials of a study, trained again: who holds, and who was lucky."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import tuner
from tests.brain import experiment, open_study
from tests.made_study import make_study
from tuner.cli.app import run_command
from tuner.engines.simulated import Step, VirtualClock, run
from tuner.errors import ExperimentError, ResultsError, StudyError
from tuner.runner.confirm import confirm
from tuner.runner.show import show_study
from tuner.store.confirmed import Again, Confirmed, read_confirmed
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
    confirm_two = ["--confirm", "2", "--confirm-seeds", "4"]
    assert run_command(["run", "lucky.py", *confirm_two]) == 0
    said = capsys.readouterr().out
    results, again = tuner.load("results/lucky"), tuner.load("results/lucky-confirmed")
    before = results.ranked().head(2)
    assert again.trials["param_base"].tolist() == before["param_base"].tolist()
    assert again.trials["param_epochs"].tolist() == before["best_epoch"].tolist()
    assert again.reports.groupby("trial")["fold"].nunique().tolist() == [4, 4]
    assert not set(again.trials["seed"]) & set(results.trials["seed"])
    best = again.ranked().iloc[0]
    assert best["value_std"] > 0
    assert f"4 new trainings {best['value']:.4f} +- " in said
    winner = int(before["trial"].iloc[int(best["trial"])])
    assert f"best: trial {winner}, val_accuracy" in said
    assert f"  chosen: trial {winner}, by the mean of 4 new trainings" in said
    assert results.best is not None
    assert results.best.trial == winner
    # The same command afterwards trains nothing, and says the same.
    assert run_command(["confirm", "results/lucky", "--top", "2", "--seeds", "4"]) == 0
    assert f"best: trial {winner}, by the mean of 4 new trainings" in capsys.readouterr().out
    assert not list(Path("results").glob("*-2"))


def confirmed(tmp_path: Path, luck: float) -> list[Again]:
    """Two studies on the simulated engine, the second as `confirm` makes it; what it compares."""
    from tuner.experiment.loading import Loaded, Source
    from tuner.runner.compared import compared
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
    return compared(leaders, tuner.load(tmp_path))


def test_the_mean_of_new_trainings_decides(tmp_path: Path) -> None:
    table = Confirmed(tmp_path, "val_accuracy", confirmed(tmp_path, luck=0.1)).table
    assert table["trainings"].tolist() == [5, 5]
    assert table["mean"].is_monotonic_decreasing
    assert table["stderr"].to_numpy() == pytest.approx(table["std"].to_numpy() / 5**0.5)
    assert table["tied"].tolist() == [False, False]


def test_a_difference_within_the_luck_is_a_tie(tmp_path: Path) -> None:
    assert [row.tied for row in confirmed(tmp_path, luck=20.0)] == [False, True]


def test_what_is_kept_reads_back_and_what_is_broken_is_said(tmp_path: Path) -> None:
    found = Confirmed(tmp_path / "mine-confirmed", "val_accuracy", confirmed(tmp_path, luck=0.1))
    (tmp_path / "mine").mkdir()
    found.write(tmp_path / "mine")
    assert read_confirmed(tmp_path / "mine") == found
    assert read_confirmed(tmp_path) is None
    (tmp_path / "shown").mkdir()
    make_study(tmp_path / "shown")
    one, two = tuner.load(tmp_path / "shown").ranked()["trial"].head(2)
    luckier = [replace(found.rows[0], trial=int(two)), replace(found.rows[1], trial=int(one))]
    Confirmed(tmp_path / "again", "val_accuracy", luckier).write(tmp_path / "shown")
    said = StringIO()
    show_study(tmp_path / "shown", 3, Console(file=said, width=200))
    assert f"best: trial {two}, by the mean of 5 new trainings" in said.getvalue()
    (tmp_path / "mine" / "confirmed.json").write_text('{"study": "x", "metric": "loss"}')
    with pytest.raises(ResultsError, match=r"confirmed.json is not whole \(KeyError 'trials'\)"):
        read_confirmed(tmp_path / "mine")


def test_what_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="top: 0 must be a whole number of at least 1"):
        confirm(tmp_path, top=0)
    with pytest.raises(ExperimentError, match="seeds: 1 must be a whole number of at least 2"):
        confirm(tmp_path, seeds=1)
    confirmed(tmp_path, luck=0.1)
    with pytest.raises(StudyError, match=r"top: 3 are more than the 2 trials of .*; confirm 2"):
        confirm(tmp_path, top=3)
    with pytest.raises(ExperimentError, match="made in memory; give it"):
        confirm(tmp_path, top=2)

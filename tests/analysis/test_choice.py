"""A winner by another rule than its value, and what is said of leaders that tie."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.facts.study import Facts, facts
from analysis.facts.suggest import suggestion
from analysis.loading import load
from analysis.page.render import cards
from tests.analysis.studies import saved
from tuner.engines.simulated import Step
from tuner.results.results import Results
from tuner.search_space.axes import Categorical
from tuner.store.confirmed import Again, Confirmed
from tuner.trial.cells import Cell

AGAIN = Again(trial=0, value=0.9, mean=0.9, std=0.02, stderr=0.01, trainings=4, tied=False)


def study(folder: Path, **fields: Any) -> Results:
    """Four trials whose units are 1 to 4, and whose curves wobble by more than they differ."""

    def curve(cell: Cell) -> list[Step]:
        top = 0.5 + 0.01 * cell.params["units"] + 0.02 * cell.fold
        return [
            Step(epoch, {"val_accuracy": top + (0.05 if epoch % 2 else -0.05)})
            for epoch in range(1, 10)
        ]

    fields = {"scheduler": "none", "sampler": "random", "trials": 4, **fields}
    first = [{"units": units} for units in (1, 2, 3, 4)]
    space = {"units": Categorical([1, 2, 3, 4]), "epochs": 9}
    return saved(folder, curve, workers=1, space=space, first=first, **fields)


def confirm(folder: Path, *trials: int, tied: bool) -> Facts:
    """The page's facts, once these trials were confirmed, the best mean first."""
    rows = [
        replace(AGAIN, trial=trial, mean=0.9 - 0.1 * place, tied=tied and place > 0)
        for place, trial in enumerate(trials)
    ]
    Confirmed(folder.with_name("again"), "val_accuracy", rows).write(folder)
    return facts(load(folder))


def test_leaders_within_noise_are_to_be_confirmed_and_the_command_is_there(tmp_path: Path) -> None:
    study(tmp_path / "mine")
    found = facts(load(tmp_path / "mine"))
    (tie,) = [one for one in found.findings if one.title == "4 trials tie for first"]
    assert tie.line == f"python -m tuner confirm {tmp_path / 'mine'} --top 4"
    line = suggestion(tmp_path / "mine", "results/mine")
    assert line is not None
    assert line.startswith("3 other trials lie within noise of the best (±")
    assert line.endswith("who holds: python -m tuner confirm results/mine --top 4")
    trials = tmp_path / "mine" / "trials.parquet"
    table = pd.read_parquet(trials)
    table.assign(parent=pd.array([None] * len(table), "Int64")).to_parquet(trials)
    assert suggestion(tmp_path / "mine", "results/mine") is None  # of a population nobody can


@pytest.mark.parametrize("tied", [False, True])
def test_the_page_has_what_confirming_found_and_the_winner_is_of_the_means(
    tmp_path: Path, tied: bool
) -> None:
    results = study(tmp_path / "mine")
    first, second = results.ranked()["trial"].head(2)
    found = confirm(tmp_path / "mine", second, first, tied=tied)
    assert found.winner is not None
    assert found.trials["trial"][found.winner.best] == second
    titles = [one.title for one in found.findings]
    said = "Confirmed, and not alone" if tied else "The winner holds when it is trained again"
    assert said in titles
    assert "4 trials tie for first" not in titles
    html = cards(found)
    assert f"★ trial {second}" in html
    assert f"Trial {second}, by the mean of 4 new trainings" in html
    assert "0.9 ± 0.01" in html
    assert ("not to be told from 1 other" in html) is tied
    assert ("tied with it" in html) is tied
    assert suggestion(tmp_path / "mine", "results/mine") is None


def test_older_leaders_do_not_decide_and_the_page_says_so(tmp_path: Path) -> None:
    results = study(tmp_path / "mine")
    *_, third, last = results.ranked()["trial"]
    found = confirm(tmp_path / "mine", third, last, tied=False)
    assert found.winner is not None
    assert found.trials["trial"][found.winner.best] == results.ranked()["trial"].iloc[0]
    assert "The winner itself was not confirmed" in [one.title for one in found.findings]
    assert suggestion(tmp_path / "mine", "results/mine") is not None


def test_the_simplest_of_equals_is_the_winner_with_the_reason(tmp_path: Path) -> None:
    fields = {"mode": "cv", "sampler": "grid", "choose": "one_se", "simplest": "units"}
    results = study(tmp_path / "mine", value="last", folds=3, **fields)
    found = facts(load(tmp_path / "mine"))
    assert results.choice is not None
    assert found.winner is not None
    assert found.trials["trial"][found.winner.best] == results.choice.trial
    assert found.winner.why == results.choice.why
    assert "the simplest (units " in cards(found)

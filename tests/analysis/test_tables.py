"""What analysis makes of the tables: ranks, totals, scores, curves, comparisons, importances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis.facts.fidelity import course
from analysis.facts.winner import winner
from analysis.loading import Tables
from analysis.summaries import best_first, rungs
from tests.analysis.studies import saved
from tests.brain import never, rising
from tuner.engines.simulated import Step
from tuner.errors import ResultsError
from tuner.experiment.experiment import KerasModel
from tuner.results.results import load
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.confirmed import Again, Confirmed
from tuner.trial.cells import Cell


def folds(cell: Cell) -> list[Step]:
    """Fold i of point x ends with x + i / 10; a is as good as b."""
    return [
        Step(epoch, {"val_accuracy": cell.params["x"] * epoch / 2 + cell.fold / 10})
        for epoch in (1, 2)
    ]


@pytest.fixture(scope="module")
def asha(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """A search with ASHA of which half diverges, on three workers."""
    path = tmp_path_factory.mktemp("asha")
    saved(path / "search", scheduler="asha", trials=30, seed=3)
    return analysis.load(path)


@pytest.fixture(scope="module")
def cv(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """A cross-validation of four points, pairs of which are equal."""
    path = tmp_path_factory.mktemp("cv")
    space = {"x": Int(0, 1, grid=[0, 1]), "kind": Categorical(["a", "b"]), "epochs": 2}
    fields: dict[str, Any] = {"space": space, "mode": "cv", "folds": 3, "dataset": "digits"}
    saved(path / "cv", folds, **fields)
    return analysis.load(path)


def test_the_leaderboard_ranks_densely_and_knows_what_was_saved(asha: Tables) -> None:
    board = analysis.summary(asha)
    assert len(board) == 30
    valued = board[board["value"].notna()]
    assert set(valued["state"]) == {"COMPLETE", "STOPPED"}
    assert valued["value"].is_monotonic_decreasing
    assert valued["rank"].tolist() == valued["value"].rank(method="dense", ascending=False).tolist()
    assert board["rank"].isna().tolist() == board["value"].isna().tolist()
    early = board["state"].isin(["STOPPED", "DIVERGED"])
    assert (board["epochs"] + board["epochs_saved"] == 9).all()
    assert (board["epochs_saved"] > 0).tolist() == early.tolist()


def test_equals_share_a_rank(cv: Tables) -> None:
    board = analysis.summary(cv)
    assert board["rank"].tolist() == [1, 1, 2, 2]
    assert board["trial"].tolist() == [2, 3, 0, 1]


def test_the_overview_adds_up(asha: Tables) -> None:
    row = analysis.overview(asha).iloc[0]
    states = ["COMPLETE", "STOPPED", "DIVERGED", "FAILED", "RUNNING"]
    assert row[states].sum() == row["trials"] == 30
    assert row["epochs"] == len(asha.reports)
    assert row["epochs"] + row["epochs_saved"] == 30 * 9
    best = asha.trials.nlargest(1, "value").iloc[0]  # a STOPPED one may be it
    assert (row["best_trial"], row["best"]) == (best["trial"], best["value"])
    assert row["work_s"] == pytest.approx(row["epochs"])  # an epoch takes a virtual second
    assert row["work_s"] / 3 <= row["wall_s"] < row["work_s"]


def test_shared_epochs_are_counted_once(tmp_path: Path) -> None:
    space = {"x": Float(0, 1, grid=[0.1, 0.2]), "epochs": Int(1, 9, grid=[3, 9])}
    declared = KerasModel(build=never, optimizer=never)
    saved(tmp_path / "grid", rising, space=space, mode="grid", objective=declared)
    row = analysis.overview(analysis.load(tmp_path)).iloc[0]
    assert (row["epochs"], row["epochs_shared"], row["epochs_saved"]) == (18, 6, 0)


def test_cv_scores_are_scikit_learns(cv: Tables) -> None:
    table = analysis.cv_table(cv)
    splits = table[[f"split{i}_test_score" for i in range(3)]].to_numpy()
    expected = table[["param_x"]].to_numpy() + np.array([0.0, 0.1, 0.2])
    assert splits == pytest.approx(expected)
    assert table["mean_test_score"].to_numpy() == pytest.approx(splits.mean(axis=1))
    assert table["std_test_score"].to_numpy() == pytest.approx(splits.std(axis=1))
    assert table["mean_test_score"].to_numpy() == pytest.approx(cv.trials["value"].to_numpy())
    assert table["rank_test_score"].tolist() == [3, 3, 1, 1]
    assert table["rank_test_score"].dtype == "int32"


def test_a_missing_fold_ranks_last(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        end = np.nan if cell.params["x"] == 1 and cell.fold == 1 else cell.params["x"]
        return [Step(1, {"val_accuracy": 0.5}), Step(2, {"val_accuracy": end})]

    space = {"x": Int(0, 2, grid=[0, 1, 2]), "epochs": 2}
    saved(tmp_path / "cv", curve, space=space, mode="cv", dataset="digits", workers=1)
    table = analysis.cv_table(analysis.load(tmp_path))
    assert table["rank_test_score"].tolist() == [2, 3, 1]
    assert table["split1_test_score"].isna().tolist() == [False, True, False]


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, np.nan]), min_size=1),
    st.sampled_from(["dense", "min"]),
)
def test_ranks_do_not_depend_on_the_direction(values: list[float], method: str) -> None:
    column = pd.Series(values)
    up, down = best_first(column, "maximize", method), best_first(-column, "minimize", method)
    pd.testing.assert_series_equal(up, down)
    assert up.isna().tolist() == column.isna().tolist()
    if column.notna().any():
        assert up[column.idxmax()] == 1


def test_a_pivot_has_the_best_of_each_pair(cv: Tables) -> None:
    table = analysis.pivot(cv, "x", "kind")
    assert table.index.name == "x"
    assert table.columns.tolist() == ["a", "b"]
    assert table.to_numpy() == pytest.approx(np.array([[0.1, 0.1], [1.1, 1.1]]))
    assert (analysis.pivot(cv, "x", "kind", "count") == 1).all(axis=None)
    with pytest.raises(ResultsError, match="parameter 'y' is not one of x, kind, epochs"):
        analysis.pivot(cv, "x", "y")


def test_curves_are_the_reports_of_the_searched_metric(asha: Tables) -> None:
    curves = analysis.curves(asha)
    assert list(curves) == ["study", "trial", "fold", "epoch", "time_s", "value", "state"]
    assert len(curves) == len(asha.reports)
    ends = curves.groupby("trial")["value"].last()
    complete = asha.trials[asha.trials["state"] == "COMPLETE"].set_index("trial")["value"]
    pd.testing.assert_series_equal(ends[complete.index], complete, check_names=False)


def test_the_best_so_far_goes_one_way_and_ends_at_the_best(asha: Tables) -> None:
    progress = analysis.best_so_far(asha)
    overview = analysis.overview(asha).iloc[0]
    assert progress["trials"].tolist() == list(range(1, 31))
    assert progress["best"].dropna().is_monotonic_increasing
    last = progress.iloc[-1]
    assert (last["best"], last["epochs"]) == (overview["best"], overview["epochs"])
    assert last["seconds"] == overview["wall_s"]


def test_studies_compare_with_intervals(tmp_path: Path) -> None:
    for seed in range(4):
        saved(tmp_path / f"none{seed}", rising, scheduler="none", seed=seed)
        saved(tmp_path / f"asha{seed}", rising, scheduler="asha", seed=seed)
    tables = analysis.load(tmp_path)
    table = analysis.compare(tables, ["scheduler"]).set_index("scheduler")
    assert table["studies"].tolist() == [4, 4]
    assert (table["best_low"] <= table["best"]).all()
    assert (table["best"] <= table["best_high"]).all()
    assert (table["median_low"] <= table["median"]).all()
    assert table["difference"].iloc[0] == 0
    assert table.loc["asha", "epochs"] < table.loc["none", "epochs"]
    again = analysis.compare(tables, ["scheduler"]).set_index("scheduler")
    pd.testing.assert_frame_equal(table, again)
    alone = analysis.compare(tables.only("asha0"))
    assert alone["best_low"].isna().all()  # one search says nothing of another
    with pytest.raises(ResultsError, match="studies have no column 'colour'"):
        analysis.compare(tables, "colour")


def test_the_median_is_of_all_trials_that_came_to_a_value(asha: Tables) -> None:
    row = analysis.compare(asha).iloc[0]
    states = asha.trials["state"].value_counts()
    assert states["STOPPED"] > 0
    assert row["complete"] == states["COMPLETE"]
    assert row["median"] == asha.trials["value"].median()  # one fold: whoever has a value counts


@pytest.mark.parametrize("evaluator", ["fanova", "ped_anova"])
def test_importance_finds_the_parameter_that_matters(tmp_path: Path, evaluator: str) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": cell.params["x"] + 0.01 * (cell.params["k"] == "a")})]

    space = {"x": Float(0, 1), "k": Categorical(["a", "b"]), "fixed": 3, "epochs": 1}
    saved(tmp_path / "s", curve, space=space, sampler="random", scheduler="none", trials=40)
    tables = analysis.load(tmp_path)
    shares = analysis.importance(tables, evaluator)
    assert shares["param"].tolist() == ["x", "k"]
    assert shares["importance"].iloc[0] > 0.8
    assert shares["importance"].sum() == pytest.approx(1)
    with pytest.raises(
        ResultsError, match="evaluator 'shap' is not one of anova, fanova, ped_anova"
    ):
        analysis.importance(tables, "shap")


def test_importance_reads_the_stopped_trials_too(tmp_path: Path) -> None:
    space = {"x": Float(0, 1), "k": Categorical(["a", "b"]), "epochs": Int(1, 27)}
    saved(tmp_path / "s", rising, space=space, sampler="random", scheduler="asha", trials=30)
    tables = analysis.load(tmp_path)
    assert (tables.trials["state"] == "COMPLETE").sum() < 3
    shares = analysis.importance(tables).set_index("param")["importance"]
    assert shares["x"] > 3 * shares["k"]


def test_a_trial_without_all_its_folds_has_no_rank(tmp_path: Path) -> None:
    def curve(cell: Cell) -> list[Step]:
        return [Step(1, {"val_accuracy": 1.0 - cell.params["x"] * (cell.fold + 1)})]

    space = {"x": Float(0, 1, grid=[0.1, 0.2, 0.4]), "epochs": 1}
    racing = {"mode": "cv", "folds": 3, "fold_racing": "aggressive", "dataset": "digits"}
    saved(tmp_path / "s", curve, space=space, workers=1, **racing)
    tables = analysis.load(tmp_path)
    assert tables.trials["state"].tolist() == ["COMPLETE", "STOPPED", "STOPPED"]
    assert tables.trials["value"].notna().all()
    assert analysis.summary(tables)["rank"].isna().tolist() == [False, True, True]


def test_importance_needs_two_values(tmp_path: Path) -> None:
    saved(tmp_path / "s", rising, trials=1, scheduler="none")
    with pytest.raises(ResultsError, match="has 1 trials of 1 different values"):
        analysis.importance(analysis.load(tmp_path))


def test_the_best_is_the_confirmed_one_everywhere(tmp_path: Path) -> None:
    results = saved(tmp_path / "one", scheduler="none", trials=8, seed=3)
    first, second = results.ranked()["trial"].head(2)
    assert analysis.overview(analysis.load(tmp_path))["best_trial"].tolist() == [first]
    rows = [Again(trial, 0.9, 0.8, 0.02, 0.01, 4, tied=False) for trial in (second, first)]
    Confirmed(tmp_path / "again", "val_accuracy", rows).write(tmp_path / "one")
    tables = analysis.load(tmp_path)
    row = analysis.overview(tables).iloc[0]
    best = load(tmp_path / "one").best
    assert best is not None
    assert (row["best_trial"], row["best"]) == (best.trial, best.value) == (second, best.value)
    told = winner(tables, course(tables))
    assert told is not None
    assert tables.trials["trial"].iloc[told.best] == second


def test_the_best_is_the_simplest_of_equals_everywhere(tmp_path: Path) -> None:
    space = {"x": Float(0, 1, grid=[0.1, 0.12]), "epochs": 2}
    fields: dict[str, Any] = {"space": space, "mode": "cv", "folds": 3, "dataset": "digits"}
    results = saved(tmp_path / "cv", folds, **fields, choose="one_se", simplest="x")
    row = analysis.overview(analysis.load(tmp_path)).iloc[0]
    assert results.best is not None
    assert (row["best_trial"], row["best"]) == (0, results.best.value)
    assert results.best.trial == 0 != results.ranked()["trial"].iloc[0]


def test_the_folds_of_a_best_value_are_those_of_its_epoch(tmp_path: Path) -> None:
    def apart(cell: Cell) -> list[Step]:
        tops = [0.5 - abs(epoch - 2 - cell.fold) / 10 for epoch in range(1, 6)]
        return [Step(epoch, {"val_accuracy": v}) for epoch, v in enumerate(tops, 1)]

    space = {"x": Int(0, 1, grid=[0, 1]), "epochs": 5}
    saved(tmp_path / "s", apart, space=space, mode="cv", folds=3, value="best")
    tables = analysis.load(tmp_path / "s")
    scores = analysis.cv_table(tables)
    assert scores["mean_test_score"].tolist() == pytest.approx(tables.trials["value"].tolist())
    assert scores.loc[0, "split0_test_score"] == pytest.approx(0.4)


def test_a_pivot_has_a_row_for_a_choice_of_none(tmp_path: Path) -> None:
    space = {
        "weight": Categorical([None, "balanced"]),
        "depth": Categorical([None, 3]),
        "k": Categorical([None, "a"], when={"weight": "balanced"}),
        "epochs": 2,
    }
    saved(tmp_path / "s", lambda cell: folds_of(0.5), space=space, mode="grid")
    tables = analysis.load(tmp_path / "s")
    table = analysis.pivot(tables, "weight", "depth", "count")
    assert table.loc["None", "None"] == 1
    assert table.loc["balanced", 3] == 2
    assert (table.index.name, table.columns.name) == ("weight", "depth")
    assert analysis.pivot(tables, "k", "depth", "count").index.tolist() == ["a"]


def folds_of(value: float) -> list[Step]:
    return [Step(epoch, {"val_accuracy": value}) for epoch in (1, 2)]


def test_the_rungs_are_those_that_were_judged(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"scheduler": "pbt", "interval": 2, "trials": 4, "sampler": "random"}

    def beginning(cell: Cell) -> list[Step]:
        return [step for step in rising(cell) if step.epoch > cell.start]

    declared = KerasModel(build=never, optimizer=never)
    saved(tmp_path / "pbt", beginning, objective=declared, **fields)
    assert rungs(analysis.load(tmp_path / "pbt")) == [2, 4, 6, 8]
    saved(tmp_path / "asha", scheduler="asha", trials=12)
    assert rungs(analysis.load(tmp_path / "asha")) == [1, 3]
    old = analysis.load(tmp_path / "asha")
    old.reports["rung"] = np.nan
    assert rungs(old) == [1, 3]

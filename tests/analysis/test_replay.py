"""Replayed studies: recorded decisions come again, and the table's answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from analysis.replay import ONE_EPOCH, bands, decide_again, record, simulate, summarise
from analysis.replay_show import show_simulation
from tests.analysis.studies import saved
from tuner.engines.simulated import Step
from tuner.errors import ExperimentError, ResultsError
from tuner.results.results import Results
from tuner.search_space.axes import Categorical, Float, Int
from tuner.trial.cells import Cell

GRID = {"x": Float(0.0, 1.0, grid=[i / 20 for i in range(21)]), "epochs": 9}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A recorded grid."""
    return saved(tmp_path_factory.mktemp("grid"), space=GRID, mode="grid")


@pytest.mark.parametrize("scheduler", ["asha", "asha_stopping", "median", "hyperband", "none"])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_fresh_scheduler_decides_as_the_recorded_one_did(
    tmp_path: Path, scheduler: str, direction: str
) -> None:
    def curve(cell: Cell) -> Iterator[Step]:
        for epoch in range(1, 10):
            yield Step(epoch, {"val_accuracy": cell.params["x"] * epoch})

    results = saved(tmp_path, curve, scheduler=scheduler, direction=direction, eta=2, trials=30)
    again = decide_again(results)
    assert (again["again"] == again["decision"]).all()
    ends = {"none": set(), "asha": {"PAUSE"}}.get(scheduler, {"STOP"})
    assert set(again["decision"]) == {"CONTINUE"} | ends


def test_without_a_scheduler_everything_is_trained_and_the_best_is_found(table: Results) -> None:
    runs = simulate(record(table), scheduler="none", workers=4, seeds=3)
    last = runs.groupby("seed").last()
    assert (last["epochs"] == len(table.reports)).all()
    assert last["regret"].tolist() == [0.0] * 3


def test_asha_spends_fewer_epochs_and_regret_never_rises(table: Results) -> None:
    recorded = record(table)
    runs = simulate(recorded, scheduler="asha", eta=2, workers=2, seeds=5)
    assert (runs.groupby("seed")["epochs"].last() < len(table.reports)).all()
    for _, one in runs.groupby("seed"):
        regret = one["regret"].dropna().to_numpy()
        assert (np.diff(regret) <= 0).all()
        assert (regret >= 0).all()
    orders = {tuple(one["time_s"]) for _, one in runs.groupby("seed")}
    assert len(orders) > 1


def test_more_workers_take_less_time(table: Results) -> None:
    recorded = record(table)
    times = [
        summarise(simulate(recorded, scheduler="none", workers=n, seeds=2))["time_s"].item()
        for n in (1, 4, 16)
    ]
    assert times[0] > times[1] > times[2]
    assert times[0] == len(table.reports)


def test_one_epoch_costs_one_epoch_each_and_the_rest_of_the_best(table: Results) -> None:
    runs = simulate(record(table), scheduler=ONE_EPOCH, workers=1, seeds=2, top=3)
    assert runs["epochs"].tolist() == [21 + 8, 21 + 16, 21 + 24] * 2
    assert runs.groupby("seed")["regret"].last().tolist() == [0.0, 0.0]
    assert runs.groupby("seed")["time_s"].last().tolist() == [21 + 24.0] * 2


def test_a_sampler_proposes_what_was_recorded(table: Results) -> None:
    runs = simulate(record(table), scheduler="asha", sampler="tpe", workers=2, seeds=2)
    assert set(runs["state"]) <= {"COMPLETE", "STOPPED", "DIVERGED"}


def test_bands_hold_the_median(table: Results) -> None:
    frame = bands(simulate(record(table), scheduler="asha", workers=2, seeds=6)).dropna()
    assert ((frame["low"] <= frame["median"]) & (frame["median"] <= frame["high"])).all()


def test_stopped_curves_alone_are_no_table(tmp_path: Path) -> None:
    results = saved(tmp_path, trials=3)
    trials = results.trials.assign(state="STOPPED")
    with pytest.raises(ResultsError, match="no COMPLETE trial whose curve could be replayed"):
        record(Results(results.path, results.study, trials, results.reports))


def test_the_command_prints_a_table_and_writes_a_plot(table: Results, tmp_path: Path) -> None:
    console = Console(record=True, width=160, file=(tmp_path / "out.txt").open("w"))
    options: dict[str, Any] = {"min_epochs": 1, "sampler": "random", "seeds": 3, "top": 5}
    show_simulation(
        table.path,
        console,
        schedulers=["asha", "none", ONE_EPOCH],
        etas=[2, 3],
        workers=[4],
        out=tmp_path / "plot.html",
        **options,
    )
    console.file.close()
    text = console.export_text()
    assert text.count("asha") == 2
    assert text.count("one-epoch") == 1
    assert "asha eta 2, 4 workers" in (tmp_path / "plot.html").read_text()
    changes: list[tuple[dict[str, Any], str]] = [
        ({"schedulers": ["x"]}, "scheduler: 'x' is not one of .*asha, asha_stopping, median"),
        ({"workers": [0]}, "workers: it must be at least 1"),
        ({"etas": [1]}, "eta: it must be at least 2"),
    ]
    for change, message in changes:
        fixed: dict[str, Any] = {
            "schedulers": ["asha"],
            "etas": [3],
            "workers": [1],
            "out": tmp_path / "x",
        }
        with pytest.raises(ExperimentError, match=message):
            show_simulation(table.path, console, **{**options, **fixed, **change})


def test_a_grid_over_epochs_holds_each_curve_once_at_its_full_length(tmp_path: Path) -> None:
    space = {"x": Float(0.0, 1.0, grid=[0.1, 0.5]), "epochs": Int(1, 9, grid=[3, 9, 6])}
    recorded = record(saved(tmp_path, space=space, mode="grid"))
    assert [point["x"] for point in recorded.points] == [0.1, 0.5]
    assert [len(steps) for steps in recorded.curves.values()] == [9, 9]
    runs = simulate(recorded, scheduler="asha", eta=2, workers=2, seeds=1)
    assert sorted(runs["trial"]) == [0, 1]


def test_a_sampler_is_refused_where_no_grid_was_recorded(tmp_path: Path) -> None:
    recorded = record(saved(tmp_path, scheduler="none", trials=4))
    with pytest.raises(ResultsError, match=r"sampler 'tpe' .* holds no grid"):
        simulate(recorded, scheduler="none", sampler="tpe", seeds=1)


def overfitting(cell: Cell) -> Iterator[Step]:
    for epoch in range(1, (cell.epochs or 9) + 1):
        x = cell.params.get("x", 0.5)
        metrics = {"val_accuracy": 0.5 + x / 10 - abs(epoch - 3) / 20, "size": x}
        yield Step(epoch, metrics)


def test_regret_is_of_the_value_by_the_studys_own_rule(tmp_path: Path) -> None:
    """In a search a value is the best epoch's, and what is infeasible is not the best."""
    fields: dict[str, Any] = {"sampler": "random", "scheduler": "none", "trials": 12, "repeats": 2}
    fields["constraints"] = lambda metrics: [metrics["size"] - 0.6]
    results = saved(tmp_path / "s", overfitting, **fields)
    recorded = record(results)
    best = results.best
    assert best is not None
    assert -recorded.best_loss == pytest.approx(best.value)
    for scheduler in ("none", "rung_gp", ONE_EPOCH):
        runs = simulate(recorded, scheduler=scheduler, seeds=2, workers=2)
        assert (runs["regret"].dropna() >= -1e-12).all()
    all_trained = simulate(recorded, scheduler="none", seeds=1)
    assert all_trained["regret"].iloc[-1] == pytest.approx(0.0)
    assert all_trained["epochs"].iloc[-1] == sum(map(len, recorded.curves.values()))


def test_choices_of_any_kind_and_axes_that_few_have_are_replayed(tmp_path: Path) -> None:
    space = {
        "kind": Categorical([[1, 2], {"a": 1}, None]),
        "x": Float(0, 1, when={"kind": [None]}),
        "y": Float(0, 1, when={"kind": [{"a": 1}]}),
        "epochs": 3,
    }
    fields: dict[str, Any] = {"sampler": "random", "scheduler": "none", "space": space}
    recorded = record(saved(tmp_path / "s", overfitting, **fields, trials=4))
    runs = simulate(recorded, scheduler="asha", seeds=1)
    assert runs["trial"].nunique() == len(recorded.points) == 3
    grid = {"kind": Categorical([[1, 2], (3, 4)]), "epochs": 3}
    listed = saved(tmp_path / "g", overfitting, space=grid, mode="grid")
    assert len(simulate(record(listed), scheduler="none", sampler="tpe", seeds=1)) == 2

"""Ranks at rungs and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.agreement import agreement, disagreement
from analysis.loading import load
from analysis.report import report
from tests.analysis.studies import saved
from tuner.engines.simulated import Step
from tuner.trial.cells import Cell


def parallel(cell: Cell) -> Iterator[Step]:
    """Who is better is so from the first epoch on."""
    for epoch in range(1, 10):
        yield Step(epoch, {"val_accuracy": cell.params["x"] * epoch})


def crossing(cell: Cell) -> Iterator[Step]:
    """Who begins well ends poorly: all meet at epoch 5."""
    for epoch in range(1, 10):
        yield Step(epoch, {"val_accuracy": (cell.params["x"] - 0.5) * (epoch - 5)})


def test_curves_that_cross_are_said_with_the_way_out(tmp_path: Path) -> None:
    saved(tmp_path / "s", crossing, sampler="random", scheduler="asha", trials=40)
    tables = load(tmp_path / "s")
    found = agreement(tables).set_index("rung")
    assert list(found.index) == [1, 3]
    assert found.loc[3, "correlation"] == pytest.approx(-1.0)
    line = disagreement(tables)
    assert line is None
    saved(tmp_path / "more", crossing, sampler="random", scheduler="asha", trials=99)
    line = disagreement(load(tmp_path / "more"))
    assert line is not None
    assert line.startswith("At epoch 3 trials rank otherwise than at their end: the rank corr")
    assert "is -1.00" in line
    assert "min_epochs 9" in line
    assert line in report(load(tmp_path / "more"))


def test_of_curves_that_do_not_cross_nothing_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "s", parallel, sampler="random", scheduler="asha", trials=99)
    tables = load(tmp_path / "s")
    assert agreement(tables)["correlation"].tolist() == pytest.approx([1.0, 1.0])
    assert disagreement(tables) is None


def test_without_rungs_there_is_nothing_to_compare(tmp_path: Path) -> None:
    saved(tmp_path / "s", crossing, sampler="random", scheduler="none", trials=12)
    assert agreement(load(tmp_path / "s")).empty
    assert disagreement(load(tmp_path / "s")) is None


def test_where_every_trial_failed_there_is_nothing_to_compare(tmp_path: Path) -> None:
    def failing(cell: Cell) -> Iterator[Step]:
        raise ValueError("no data")
        yield

    saved(tmp_path / "s", failing, scheduler="asha", trials=2, retries=0)
    assert agreement(load(tmp_path / "s")).empty
    assert disagreement(load(tmp_path / "s")) is None

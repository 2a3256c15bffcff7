"""--enqueue reads points from JSON, CSV, Parquet and earlier studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.analysis.studies import saved
from tests.brain import experiment, rising, simulate
from tuner.engines.simulated import Step
from tuner.errors import SearchSpaceError, TunerError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.runner.enqueue import first_points, read_points
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import same
from tuner.store.ledger import Ledger
from tuner.study.study import Study

SPACE = SearchSpace(
    {
        "x": Float(0.0, 1.0),
        "n": Int(1, 9),
        "kind": Categorical(["a", "b", True]),
        "epochs": 9,
    }
)
POINTS = [{"x": 1, "n": 3}, {"kind": "b"}]
READ = [{"x": 1.0, "n": 3}, {"kind": "b"}]


def test_points_from_json(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text(json.dumps(POINTS))
    points = read_points(path, SPACE)
    assert points == READ
    assert type(points[0]["x"]) is float
    path.write_text(json.dumps(POINTS[0]))
    assert read_points(path, SPACE) == READ[:1]


def test_points_from_csv_and_parquet_may_leave_cells_empty(tmp_path: Path) -> None:
    frame = pd.DataFrame(POINTS)
    frame.to_csv(tmp_path / "points.csv", index=False)
    frame.to_parquet(tmp_path / "points.parquet")
    assert read_points(tmp_path / "points.csv", SPACE) == READ
    assert read_points(tmp_path / "points.parquet", SPACE) == READ


def test_a_trials_table_gives_its_parameters(tmp_path: Path) -> None:
    frame = pd.DataFrame({"trial": [0], "value": [0.5], "param_x": [0.25], "param_epochs": [3]})
    frame.to_parquet(tmp_path / "trials.parquet")
    assert read_points(tmp_path / "trials.parquet", SPACE) == [{"x": 0.25}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"speed": 1}]', r"point 0 names 'speed', which is not an axis; the axes are: x, n"),
        ('[{"x": 0.5}, {"x": 2}]', r"point 1 has x = 2, which the axis does not hold"),
        ('[{"n": 1.5}]', r"point 0 has n = 1.5, which the axis does not hold"),
        ('[{"kind": "c"}]', r"point 0 has kind = 'c', which the axis does not hold"),
        ("[1, 2]", r"does not hold a list of points"),
        ("nonsense", r"points\.json cannot be read"),
    ],
)
def test_a_mistake_names_file_point_and_value(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.json"
    path.write_text(text)
    with pytest.raises(SearchSpaceError, match=message):
        read_points(path, SPACE)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SearchSpaceError, match=r"is not a \.json, \.csv or \.parquet, nor a study"):
        read_points(tmp_path / "points.txt", SPACE)


# ------------------------------------------------------------------ None, tables, too many

CHOICES = SearchSpace(
    {
        "weight": Categorical([None, "balanced"]),
        "x": Float(0.0, 1.0),
        "layers": Categorical([[64, 64], (32,), None, 1, True]),
        "n": Int(1, 9, when={"weight": "balanced"}),
    }
)


def test_none_chosen_and_left_out_are_two_things(tmp_path: Path) -> None:
    path = tmp_path / "points.json"
    path.write_text(json.dumps([{"weight": None}, {"x": 0.5}, {"layers": None, "x": None}]))
    assert read_points(path, CHOICES) == [{"weight": None}, {"x": 0.5}, {"layers": None}]


def test_an_empty_cell_is_none_where_the_axis_has_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"weight": [None, "balanced"], "x": [0.5, None], "n": [None, 3]})
    frame.to_csv(tmp_path / "points.csv")  # with pandas' index
    frame.to_parquet(tmp_path / "points.parquet")
    wanted = [{"weight": None, "x": 0.5}, {"weight": "balanced", "n": 3}]
    assert read_points(tmp_path / "points.csv", CHOICES) == wanted
    assert read_points(tmp_path / "points.parquet", CHOICES) == wanted
    assert read_points(frame, CHOICES) == wanted


@pytest.mark.parametrize("given", [[64, 64], (32,), 1, True])
def test_points_in_python_are_read_as_they_are(given: object) -> None:
    (point,) = read_points([{"layers": given}], CHOICES)
    assert type(point["layers"]) is type(given)
    assert point["layers"] == given


def test_an_empty_point_is_all_the_samplers() -> None:
    assert read_points([{}], SPACE) == [{}]
    assert read_points([], SPACE) == []


def test_columns_that_are_no_axes_are_left_out_and_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.5], "n": [3], "val_accuracy": [0.9], "kind": [True]})
    frame.to_csv(tmp_path / "points.csv")
    said: list[str] = []
    assert read_points(tmp_path / "points.csv", SPACE, said.append) == [
        {"x": 0.5, "n": 3, "kind": True}
    ]
    assert len(said) == 1
    assert said[0].endswith("points.csv: columns that are not axes are left out: val_accuracy")


def test_a_column_that_is_nearly_an_axis_is_asked_about(tmp_path: Path) -> None:
    pd.DataFrame({"knd": ["a"], "n": [3]}).to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(SearchSpaceError, match=r"has a column 'knd'; did you mean 'kind'\?"):
        read_points(tmp_path / "points.csv", SPACE)
    pd.DataFrame({"speed": [1.0]}).to_csv(tmp_path / "points.csv")
    with pytest.raises(SearchSpaceError, match="has no column that is an axis"):
        read_points(tmp_path / "points.csv", SPACE)


def first(**fields: object) -> Experiment:
    return experiment(space={"x": Float(0.0, 1.0, default=0.25), "n": Int(1, 9)}, **fields)


def test_more_points_than_trials_are_refused() -> None:
    with pytest.raises(SearchSpaceError, match="3 points are to be tried first and there are 2 tr"):
        first_points(first(trials=2), [{"n": 1}, {"n": 2}])


def test_the_axes_defaults_come_first_and_trial_0_tries_them() -> None:
    settled = first(trials=3, sampler="random")
    points = first_points(settled, [{"n": 7}])
    assert points == [{"x": 0.25}, {"n": 7}]
    study = Study(settled, Ledger("defaults", settled.direction), enqueued=points)
    params = [cell.params for cell in (study.ask() for _ in range(3)) if cell is not None]
    assert params[0]["x"] == 0.25
    assert params[1]["n"] == 7
    assert first_points(first(trials=3), None) == [{"x": 0.25}]


def test_enqueued_choices_of_any_kind_are_tried() -> None:
    settled = experiment(space=CHOICES, trials=4, sampler="random")
    given = [{"layers": (32,)}, {"layers": True}, {"weight": None}, {"layers": 1}]
    study = Study(
        settled, Ledger("choices", settled.direction), enqueued=first_points(settled, given)
    )
    params = [cell.params for cell in (study.ask() for _ in given) if cell is not None]
    assert params[0]["layers"] == (32,)
    assert params[1]["layers"] is True
    assert params[2]["weight"] is None
    assert type(params[3]["layers"]) is int


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    "choices",
    [["1", 1], [1, True, 1.0, None], [settle, "settle", None], [(3, 3), [3, 3]], [None, "None"]],
    ids=range(5),
)
def test_a_studys_own_table_gives_its_points_back(
    choices: list[Any], form: str, tmp_path: Path
) -> None:
    space = SearchSpace({"kind": Categorical(choices), "x": Float(0, 1, grid=[0.5])})
    simulate(
        experiment(space=space, mode="grid"),
        lambda cell: iter([Step(1, {"val_accuracy": 0.5})]),
        folder=tmp_path,
    )
    table = pd.read_parquet(tmp_path / "trials.parquet")
    if form == "csv":
        table.to_csv(tmp_path / "trials.csv", index=False)
    points = read_points(tmp_path / f"trials.{form}", space)
    assert all(map(same, [point["kind"] for point in points], choices))


def test_a_grid_takes_no_points() -> None:
    settled = experiment(space={"n": Int(1, 9, grid=[1])}, mode="grid")
    with pytest.raises(SearchSpaceError, match="gives 1 points and a grid has its own"):
        first_points(settled, [{"n": 1}])


def test_the_experiments_first_points_come_before_all_others() -> None:
    settled = first(trials=4, first=[{"n": 5}])
    assert first_points(settled, [{"n": 7}]) == [{"n": 5}, {"x": 0.25}, {"n": 7}]
    assert first_points(first(trials=4, first=[{"x": 0.25}]), None) == [{"x": 0.25}]
    study = Study(settled, Ledger("own", settled.direction), enqueued=first_points(settled, None))
    cell = study.ask()
    assert cell is not None
    assert cell.params["n"] == 5


def test_a_grid_leaves_the_first_points_out() -> None:
    settled = experiment(space={"n": Int(1, 9, grid=[1])}, mode="grid", first=[{"n": 3}])
    assert first_points(settled, None) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": 0.5}, r"first: .* is not a list of points; give \[\{axis: value\}\]"),
        ([1], r"first: \[1\] is not a list of points"),
        ([{}, {"x": 2.0}], r"first: point 1 has x = 2\.0, which the axis does not hold"),
        ([{"y": 2.0}], r"first: point 0 names 'y', which is not an axis; the axes are: x, n"),
    ],
)
def test_first_points_are_checked_against_the_space(given: object, message: str) -> None:
    with pytest.raises(TunerError, match=message):
        first(first=given)


def test_a_budget_of_epochs_is_no_part_of_a_first_point() -> None:
    declared = Experiment(
        "own", {"n": Int(1, 9), "epochs": Int(1, 9)}, len, first=[{"n": 3, "epochs": 4}]
    )
    assert first_points(settle(declared, {}), None) == [{"n": 3}]
    whole = settle(declared, {"scheduler": "none"})
    assert first_points(whole, None) == [{"n": 3, "epochs": 4}]


def test_a_study_that_searched_other_axes_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, rising, space={"x": Float(0.0, 1.0), "epochs": 9})
    with pytest.raises(SearchSpaceError, match=r"searched x, epochs, and none of them is an axis"):
        read_points(tmp_path, SearchSpace({"units": Int(1, 9)}))
    said: list[str] = []
    points = read_points(tmp_path, SearchSpace({"x": Float(0.0, 1.0)}), said.append)
    assert list(points[0]) == ["x"]
    assert said == [f"{tmp_path}: parameters that are not axes are left out: epochs"]


@pytest.mark.parametrize(("name", "text"), [("none.json", "[]"), ("none.CSV", "x,n\n")])
def test_a_file_without_a_point_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SearchSpaceError, match=f"{name} holds no point; drop it"):
        read_points(tmp_path / name, SPACE)

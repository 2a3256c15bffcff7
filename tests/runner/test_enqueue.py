"""--enqueue reads points from JSON, CSV, Parquet and earlier studies."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tuner.errors import SearchSpaceError
from tuner.runner.enqueue import read_points
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace

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
        ('[{"speed": 1}]', r"point 0 names 'speed', which is no axis; the axes are: x, n"),
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

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Categorical, Constant, Float
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace
from tuner.sklearn.param_grid import param_grid

plain = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "b", 0.5, (1, 2)])
grids = st.dictionaries(
    st.sampled_from(["x", "a", "m", "grid"]), st.lists(plain, min_size=1, max_size=3), max_size=3
)


def points(declared: Any) -> list[dict[str, Any]]:
    grid = param_grid(declared)
    return [grid.decode(point) for point in grid_points(grid.space)]


@given(st.one_of(grids, st.lists(grids, min_size=1, max_size=3)))
def test_the_points_are_scikit_learns_in_its_order(declared: Any) -> None:
    expected = list(ParameterGrid(declared))
    found = points(declared)
    assert found == expected
    kinds = [[type(value) for value in point.values()] for point in found]
    assert kinds == [[type(value) for value in point.values()] for point in expected]


def test_what_no_axis_takes_goes_by_a_label() -> None:
    layers = [(64,), (64, 64)]
    grid = param_grid({"layers": layers, "kind": [dict, len], "rate": np.array([0.1, 0.2])})
    choices = [["dict", "len"], ["(64,)", "(64, 64)"], [0.1, 0.2]]
    assert [getattr(axis, "choices", None) for axis in grid.space.values()] == choices
    decoded = [grid.decode(point) for point in grid_points(grid.space)]
    assert decoded[0] == {"kind": dict, "layers": (64,), "rate": 0.1}
    assert decoded[-1] == {"kind": len, "layers": (64, 64), "rate": 0.2}


def test_a_point_of_a_single_dict_has_nothing_but_its_parameters() -> None:
    assert list(param_grid([{"b": [1], "a": [2]}]).space) == ["a", "b"]
    several = param_grid([{"a": [1], "grid": [5]}, {"a": [2, 3]}])
    assert list(several.space) == ["grid", "a", "grid_0", "a_1"]
    assert several.names == {"a": "a", "grid_0": "grid", "a_1": "a"}


def test_axes_keep_their_order_and_constants_are_constants() -> None:
    declared = {
        "optimizer": ["sgd", "adam"],
        "momentum": Float(0.0, 1.0, when={"optimizer": "sgd"}),
        "activation": "relu",
    }
    grid = param_grid(declared)
    assert grid.space == SearchSpace(
        {
            "optimizer": Categorical(["sgd", "adam"]),
            "momentum": Float(0.0, 1.0, when={"optimizer": "sgd"}),
            "activation": Constant("relu"),
        }
    )
    point = {"optimizer": "adam", "activation": "relu"}
    assert grid.decode(point) == point


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (3, "param_grid 3 is neither a dict of lists"),
        ([{"a": [1]}, 3], "neither a dict of lists nor a list of such dicts"),
        ([], "holds no grid"),
        ({"a": []}, r"parameter 'a': \[\] is not a list of values"),
        ({"a": object}, "parameter 'a': .*is not a list of values; give a list, or an axis"),
        ({"a": np.zeros((2, 2))}, "parameter 'a'"),
        ({"a b": [1]}, "axis 'a b': the name is not an identifier"),
        ([{"a": Float(0, 1)}, {"b": [1]}], "a list of dicts with axes in it; give one dict"),
    ],
)
def test_what_is_no_grid_is_named(declared: Any, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        param_grid(declared)


def test_names_that_look_like_a_later_dicts_lose_nothing() -> None:
    declared = [{"units": [3], "units_1": [8, 9]}, {"units": [5, 6]}, {"units_1": [1], "grid": [2]}]
    grid = param_grid(declared)
    points = [grid.decode(point) for point in grid_points(grid.space)]
    assert points == list(ParameterGrid(declared))

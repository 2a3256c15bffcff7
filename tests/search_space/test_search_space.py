"""Axes and spaces: what they accept, what each refusal says, and one declaration for all uses."""

from __future__ import annotations

import pickle
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace

BAD_AXES: list[tuple[Any, str]] = [
    (Float(1.0, 0.1), r"axis 'a': low 1.0 is above high 0.1"),
    (Float(0.0, 1.0, log=True), r"axis 'a': low 0.0 with log=True must be above 0"),
    (Float(float("nan"), 1.0), r"axis 'a': low nan is not a finite number"),
    (Float(0.0, float("inf")), r"axis 'a': high inf is not a finite number"),
    (Float(0.0, 1.0, step=-0.1), r"axis 'a': step -0.1 must be a finite number above 0"),
    (Float(0.1, 1.0, log=True, step=0.1), r"axis 'a': step 0.1 cannot go with log=True"),
    (Float(0.0, 1.0, step=2.0), r"axis 'a': step 2.0 is wider than the axis"),
    (
        Float(0.0, 1.0, grid=[2.0]),
        r"axis 'a': grid value 2.0 is not a finite number from 0.0 to 1.0",
    ),
    (Float(0.0, 1.0, grid=[]), r"axis 'a': grid \[\] must be a list of at least one value"),
    (Float(0.0, 1.0, grid=[0.5, 0.5]), r"axis 'a': grid \[0.5, 0.5\] holds one value twice"),
    (Int(1, 2.5), r"axis 'a': high 2.5 is not a whole number"),  # type: ignore[arg-type]
    (Int(1, 9, step=2, grid=[2]), r"axis 'a': grid value 2 is not a whole number .* in steps of 2"),
    (Categorical([]), r"axis 'a': choices \[\] is empty"),
    (Categorical("abc"), r"axis 'a': choices 'abc' is not a list"),
    (Categorical([1, 1]), r"axis 'a': choices \[1, 1\] hold one value twice"),
    (Categorical([Float(0, 1)]), r"axis 'a': choice Float\(.*\) is an axis"),
    (Constant(Float), r"axis 'a': Float is the class; give its arguments"),
    (Float(0.0, 1.0, when={"b": 1}), r"axis 'a': when names 'b', which is not an axis before"),
]


@pytest.mark.parametrize(("axis", "message"), BAD_AXES, ids=lambda item: str(item)[:40])
def test_a_bad_axis_is_refused_by_name_value_and_rule(axis: Any, message: str) -> None:
    with pytest.raises(SearchSpaceError, match=message):
        SearchSpace({"a": axis})


def test_a_name_must_be_an_identifier() -> None:
    with pytest.raises(
        SearchSpaceError, match=r"axis 'learning rate': the name is not an identifier"
    ):
        SearchSpace({"learning rate": Float(0, 1)})


def test_when_must_name_a_value_that_its_axis_can_have() -> None:
    with pytest.raises(SearchSpaceError, match=r"axis 'm': when wants 'opt' = 'sdg', a value"):
        SearchSpace({"opt": Categorical(["sgd"]), "m": Float(0, 1, when={"opt": "sdg"})})


def conditional() -> SearchSpace:
    return SearchSpace(
        {
            "opt": Categorical(["sgd", "adam", "rmsprop"]),
            "momentum": Float(0.0, 0.9, grid=[0, 0.9], when={"opt": "sgd"}),
            "beta": Float(0.8, 0.99, grid=[0.9], when={"opt": ["adam", "rmsprop"]}),
            "nesterov": Categorical([True, False], when={"opt": "sgd", "momentum": [0.9]}),
            "units": 64,
        }
    )


def test_a_grid_expands_conditional_axes_only_where_they_exist() -> None:
    points = list(grid_points(conditional()))
    assert points == [
        {"opt": "sgd", "momentum": 0.0, "units": 64},
        {"opt": "sgd", "momentum": 0.9, "nesterov": True, "units": 64},
        {"opt": "sgd", "momentum": 0.9, "nesterov": False, "units": 64},
        {"opt": "adam", "beta": 0.9, "units": 64},
        {"opt": "rmsprop", "beta": 0.9, "units": 64},
    ]
    assert all(type(p["momentum"]) is float for p in points if "momentum" in p)


def test_a_grid_needs_values_on_every_axis() -> None:
    with pytest.raises(SearchSpaceError, match=r"axis 'x' has no grid values; give it grid="):
        grid_points(SearchSpace({"x": Float(0, 1)}))


def test_a_sampler_draws_only_axes_that_exist() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        params = conditional().suggest(study.ask())
        assert ("momentum" in params) == (params["opt"] == "sgd")
        assert ("beta" in params) == (params["opt"] != "sgd")
        assert params["units"] == 64


def test_pickle_keeps_a_space() -> None:
    space = conditional()
    assert pickle.loads(pickle.dumps(space)).as_json() == space.as_json()


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def axes(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(["float", "log", "int", "categorical", "constant"]))
    if kind == "float":
        low, high = sorted([draw(numbers), draw(numbers)])
        return Float(low, high, grid=[low])
    if kind == "log":
        low, high = sorted([draw(st.floats(1e-9, 1e6)), draw(st.floats(1e-9, 1e6))])
        return Float(low, high, log=True, grid=[high])
    if kind == "int":
        low, high = sorted([draw(st.integers(-99, 99)), draw(st.integers(-99, 99))])
        return Int(low, high, grid=[low])
    if kind == "categorical":
        return Categorical(draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True)))
    return Constant(draw(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3))))


@given(st.dictionaries(st.sampled_from("abcdef"), axes(), min_size=1))
@settings(max_examples=60, deadline=None)
def test_one_declaration_serves_json_sampler_and_grid(declared: dict[str, Any]) -> None:
    space = SearchSpace(declared)
    assert SearchSpace.from_json(space.as_json()).as_json() == space.as_json()
    drawn = space.suggest(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask())
    assert list(drawn) == list(space)
    assert all(space[name].holds(value) for name, value in drawn.items())
    for point in grid_points(space):
        assert all(space[name].holds(value) for name, value in point.items())

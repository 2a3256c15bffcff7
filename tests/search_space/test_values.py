"""Choices of any kind: told apart, named, and the same again after JSON, ledger and tables."""

from __future__ import annotations

import json
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.brain import abandon, experiment, open_study, simulate
from tuner.engines.simulated import Step
from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.search_space.grid import cost_note, grid_points
from tuner.search_space.set_option import set_axes
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import Named, same
from tuner.store.trials_table import trials_table
from tuner.trial.cells import Cell


def swish(x: float) -> float:
    return x / (1 + math.exp(-x))


def gelu(x: float) -> float:
    return x


KINDS: list[list[Any]] = [
    [None, "balanced"],
    [None, "None"],
    [1, True, 1.0],
    [0, False, None, 0.0, "0"],
    ["1", 1],
    [[64, 64], [32], []],
    [(3, 3), (5, 5)],
    [[3, 3], (3, 3)],
    [{"units": 8, "act": "relu"}, {}],
    [swish, gelu, "swish"],
    [lambda x: x, lambda x: -x],
    [math.inf, 1.0, math.nan],
    [[swish, None], [gelu, 1]],
    [b"a", frozenset({"p", "q"}), 2**70],
    [float, int],
]


@pytest.mark.parametrize("choices", KINDS, ids=range(len(KINDS)))
def test_each_choice_is_itself_again_after_json_ledger_and_table(
    choices: list[Any], tmp_path: Path
) -> None:
    space = SearchSpace({"kind": Categorical(choices), "x": Float(0, 1, grid=[0.5])})
    read = SearchSpace.from_json(json.loads(json.dumps(space.as_json())), like=space)
    assert read.as_json() == space.as_json()
    assert len(read["kind"].choices) == len(choices)  # type: ignore[union-attr]
    assert all(map(same, read["kind"].choices, choices))  # type: ignore[union-attr]
    bare = SearchSpace.from_json(json.loads(json.dumps(space.as_json())))
    assert bare.as_json() == space.as_json()

    def curve(cell: Cell) -> Any:
        yield Step(1, {"val_accuracy": cell.params["x"]})

    settled = experiment(space=space, mode="grid")
    study = simulate(settled, curve, folder=tmp_path)
    points = [record.params for record in study.records]
    assert all(map(same, [point["kind"] for point in points], choices))
    assert len({record.seed for record in study.records}) == len(choices)
    again = open_study(settled, tmp_path)
    for old, new in zip(study.records, again.records, strict=True):
        assert same(old.params["kind"], new.params["kind"])
        assert old.seed == new.seed
    abandon(again)
    frame = pd.read_parquet(tmp_path / "trials.parquet")
    from tuner.store.study_tables import row_params

    rows = [row_params(read, row) for _, row in frame.iterrows()]
    assert all(map(same, [row["kind"] for row in rows], choices))


def test_a_sampler_draws_each_of_the_choices(tmp_path: Path) -> None:
    choices = [1, True, 1.0, None, swish, [1]]
    settled = experiment(space={"kind": Categorical(choices)}, sampler="random", trials=60)
    study = simulate(settled, lambda cell: iter([Step(1, {"val_accuracy": 0.5})]), folder=tmp_path)
    drawn = [record.params["kind"] for record in study.records]
    for choice in choices:
        assert any(same(choice, one) for one in drawn)
    again = open_study(settled, tmp_path)
    assert all(map(same, drawn, [record.params["kind"] for record in again.records]))
    abandon(again)


def test_functions_are_known_by_name_without_the_experiment() -> None:
    form = SearchSpace({"act": Categorical([swish, gelu])}).as_json()
    axis = SearchSpace.from_json(json.loads(json.dumps(form)))["act"]
    assert isinstance(axis, Categorical)
    assert axis.choices == [Named("swish"), Named("gelu")]


def test_a_cell_carries_functions_to_another_process() -> None:
    cell = Cell(0, 1, 0, {"act": swish, "n": 3, "layers": [gelu]}, 7, None)
    there = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(cell))))
    assert there.params["act"] is swish
    assert dict(there.params) == {"act": swish, "n": 3, "layers": [gelu]}
    plain = pickle.loads(pickle.dumps(Cell(0, 1, 0, {"n": [1, {"a": None}]}, 7, None)))
    assert type(plain.params) is dict


# --------------------------------------------------------------------- NumPy and ranges


def test_numpy_values_and_ranges_become_pythons() -> None:
    real: Any = Float  # what the hints do not promise is taken too
    whole: Any = Int
    choice: Any = Categorical
    space = SearchSpace(
        {
            "lr": real(np.float64(1e-4), np.float32(0.5), log=True, grid=np.logspace(-4, -1, 4)),
            "n": whole(np.int64(1), np.int32(9), grid=range(1, 10, 4)),
            "units": choice(np.array([16, 32])),
            "width": range(8, 33, 8),
            "rate": np.logspace(-2, -1, 2),
            "seed": np.int64(3),
        }
    )
    assert grid_points(space)[0] == {
        "lr": 1e-4,
        "n": 1,
        "units": 16,
        "width": 8,
        "rate": 0.01,
        "seed": 3,
    }
    assert len(grid_points(space)) == 4 * 3 * 2 * 4 * 2
    for value in grid_points(space)[-1].values():
        assert type(value) in (int, float)
    json.dumps(space.as_json())


def test_an_end_that_rounding_misses_is_still_an_end() -> None:
    high = 10**-0.5
    grid: Any = np.array([1e-4, np.nextafter(high, 1)])
    axis = Float(1e-4, high, grid=grid)
    assert SearchSpace({"x": axis})["x"].values() == [1e-4, high]


def test_a_bare_list_is_asked_what_it_means() -> None:
    with pytest.raises(SearchSpaceError, match=r"axis 'u': \[1, 2\] may be its values or one"):
        SearchSpace({"u": [1, 2]})


# ----------------------------------------------------------------------- when, and steps


def test_when_holds_on_a_stepped_float() -> None:
    space = SearchSpace({"d": Float(0, 1, step=0.1), "n": Int(1, 3, when={"d": 0.3})})
    assert space.exists("n", {"d": 0.30000000000000004})
    assert space.exists("n", {"d": 0.3})
    assert not space.exists("n", {"d": 0.4})
    settled = experiment(space=space, sampler="random", trials=80)
    study = simulate(settled, lambda cell: iter([Step(1, {"val_accuracy": 0.5})]))
    for record in study.records:
        assert ("n" in record.params) == (record.params["d"] == 0.3)
    assert sum("n" in record.params for record in study.records) > 0


def test_a_step_gives_one_number_in_grid_and_search() -> None:
    axis = Float(0, 1, step=0.1, grid=[0.3, 0.1 + 0.2])
    with pytest.raises(SearchSpaceError, match="holds one value twice"):
        SearchSpace({"d": axis})
    assert Float(0, 1, step=0.1).exact(0.1 + 0.2) == 0.3


@pytest.mark.parametrize(
    "wanted", [range(2, 5), {2, 3, 4}, [2, 3, 4], (2, 3, 4), np.arange(2, 5), frozenset({2, 3, 4})]
)
def test_when_takes_any_collection(wanted: Any) -> None:
    space = SearchSpace({"n": Int(1, 9), "x": Float(0, 1, when={"n": wanted})})
    assert [n for n in range(1, 10) if space.exists("x", {"n": n})] == [2, 3, 4]
    read = SearchSpace.from_json(json.loads(json.dumps(space.as_json())))
    assert read.as_json() == space.as_json()
    assert read.exists("x", {"n": 3})


def test_when_on_choices_of_any_kind() -> None:
    space = SearchSpace(
        {
            "layers": Categorical([[64, 64], [32], None]),
            "act": Categorical([swish, gelu]),
            "a": Float(0, 1, when={"layers": [64, 64]}),
            "b": Float(0, 1, when={"layers": [[64, 64], None], "act": gelu}),
        }
    )
    read = SearchSpace.from_json(json.loads(json.dumps(space.as_json())), like=space)
    for one in (space, read):
        assert one.exists("a", {"layers": [64, 64]})
        assert not one.exists("a", {"layers": [32]})
        assert one.exists("b", {"layers": None, "act": gelu})
        assert not one.exists("b", {"layers": None, "act": swish})


def test_steps_that_do_not_meet_the_end_are_said_once() -> None:
    space = SearchSpace({"d": Float(0, 1, step=0.3), "n": Int(1, 10, step=4)})
    assert space.notes() == [
        "axis 'd': steps of 0.3 from 0 do not meet 1; the highest value is 0.9",
        "axis 'n': steps of 4 from 1 do not meet 10; the highest value is 9",
    ]
    settled = experiment(space=space, sampler="tpe", trials=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = simulate(settled, lambda cell: iter([Step(1, {"val_accuracy": 0.5})]))
    assert {record.params["d"] for record in study.records} <= {0.0, 0.3, 0.6, 0.9}
    assert {record.params["n"] for record in study.records} <= {1, 5, 9}


@pytest.mark.parametrize("axis", [Int(0, 2**64), Int(-(2**60), 0)])
def test_whole_numbers_beyond_what_is_kept_exactly_are_refused(axis: Int) -> None:
    with pytest.raises(SearchSpaceError, match=r"is beyond 2\*\*53, .* search the exponent"):
        SearchSpace({"n": axis})


def test_a_float_beyond_floats_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="is not a finite number"):
        SearchSpace({"x": Float(0, 10**400)})


# ---------------------------------------------------------------------- grids and defaults


def test_a_grid_of_a_million_points_is_counted_not_made() -> None:
    values = range(100)
    space = SearchSpace(
        {
            "a": Int(0, 99, grid=values),
            "b": Int(0, 99, grid=values),
            "c": Categorical(values),
            "d": Int(0, 9, grid=range(10), when={"a": 99, "c": range(50)}),
        }
    )
    points = grid_points(space)
    assert len(points) == 99 * 100 * 100 + 100 * (50 * 10 + 50)
    assert points[0] == {"a": 0, "b": 0, "c": 0}
    assert points[-1] == {"a": 99, "b": 99, "c": 99}
    assert points[99 * 100 * 100 + 7] == {"a": 99, "b": 0, "c": 0, "d": 7}
    assert len(points._counts) < 500
    assert cost_note(len(points), 3) == (
        "the grid takes 3,135,000 trainings: 36.3 days for each second that one takes, divided "
        "by the workers; a search tries a part of it"
    )
    assert cost_note(100, 3) is None


def test_a_grids_points_are_the_same_by_number_and_in_turn() -> None:
    space = SearchSpace(
        {
            "opt": Categorical(["sgd", "adam", None]),
            "m": Categorical([0.0, 0.9], when={"opt": ["sgd", None]}),
            "n": Categorical([True, False], when={"m": 0.9}),
            "u": Int(1, 3, grid=[1, 3]),
        }
    )
    points = grid_points(space)
    assert [points[i] for i in range(len(points))] == list(points)
    assert len(points) == len(list(points)) == (1 + 2) * 2 * 2 + 2


def test_each_axis_may_have_a_default_of_its_own() -> None:
    space = SearchSpace(
        {
            "opt": Categorical(["sgd", "adam"], default="adam"),
            "m": Float(0, 1, default=0.9, when={"opt": "sgd"}),
            "w": Categorical([None, "balanced"], default=None),
            "lr": Float(1e-4, 1, log=True, default=1e-2),
            "n": Int(1, 9),
        }
    )
    assert space.defaults() == {"opt": "adam", "w": None, "lr": 1e-2}
    read = SearchSpace.from_json(json.loads(json.dumps(space.as_json())))
    assert read.defaults() == space.defaults()
    with pytest.raises(
        SearchSpaceError, match=r"axis 'n': default 10 is not a whole number from 1"
    ):
        SearchSpace({"n": Int(1, 9, default=10)})
    with pytest.raises(SearchSpaceError, match=r"axis 'c': default 'd' is not one of the choices"):
        SearchSpace({"c": Categorical(["a"], default="d")})


def test_set_takes_choices_that_are_lists_and_none() -> None:
    space = SearchSpace(
        {"layers": Categorical([[64, 64], [32], None]), "act": Categorical([swish, gelu])}
    )
    narrowed = set_axes(space, ["layers=[64, 64],null", "act=gelu"])
    assert narrowed["layers"].values() == [[64, 64], None]
    assert narrowed["act"] == Constant(gelu)


def test_a_column_of_mixed_choices_tells_them_apart() -> None:
    space = SearchSpace({"kind": Categorical(["1", 1])})
    study = simulate(
        experiment(space=space, mode="grid"),
        lambda cell: iter([Step(1, {"val_accuracy": 0.5})]),
    )
    column = trials_table(study.records, space, "simulated")["param_kind"].to_pylist()
    assert len(set(column)) == 2


def test_numpys_values_and_ranges_are_what_an_axis_may_be_given() -> None:
    """The types of the arguments say so too: `make check` reads this file."""
    rate = Float(np.float32(0.5), np.int64(2), grid=np.linspace(0.5, 2, 3), default=np.float64(1))
    units = Int(np.int32(8), 64, step=np.int64(8), grid=range(8, 65, 8))
    kinds = Categorical(np.array([16, 32]), default=np.int64(32)), Categorical(range(3))
    assert [rate.low, rate.high, rate.grid, rate.default] == [0.5, 2, [0.5, 1.25, 2.0], 1.0]
    assert [units.low, units.step, units.grid] == [8, 8, list(range(8, 65, 8))]
    assert [kind.choices for kind in kinds] == [[16, 32], [0, 1, 2]]
    held = [rate.low, rate.high, rate.default, units.low, units.step, *kinds[0].choices]
    assert {type(value) for value in held} == {int, float}

"""Other libraries' distributions in a space are refused, with the axis to write."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import optuna
import pytest
from ray import tune
from scipy import stats

from tuner.errors import SearchSpaceError
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace

SPOKEN = {
    "uniform": (tune.uniform(0, 1), "Float(0, 1)"),
    "loguniform": (tune.loguniform(1e-4, 1), "Float(0.0001, 1, log=True)"),
    "quniform": (tune.quniform(0, 1, 0.1), "Float(0, 1, step=0.1)"),
    "randint": (tune.randint(1, 5), "Int(1, 4)"),
    "qrandint": (tune.qrandint(2, 8, 2), "Int(2, 8, step=2)"),
    "lograndint": (tune.lograndint(1, 101), "Int(1, 100, log=True)"),
    "choice": (tune.choice(["a", "b"]), "Categorical(['a', 'b'])"),
    "grid_search": (tune.grid_search([1, 2]), "Categorical([1, 2])"),
    "randn": (tune.randn(), "a Float, an Int or a Categorical"),
    "sample_from": (tune.sample_from(lambda spec: 1), "a Float, an Int or a Categorical"),
    "FloatDistribution": (
        optuna.distributions.FloatDistribution(0.1, 1.0, log=True),
        "Float(0.1, 1.0, log=True)",
    ),
    "IntDistribution": (optuna.distributions.IntDistribution(1, 9, step=2), "Int(1, 9, step=2)"),
    "CategoricalDistribution": (
        optuna.distributions.CategoricalDistribution([1, None]),
        "Categorical([1, None])",
    ),
    "stats.uniform": (stats.uniform(1, 2), "Float(1.0, 3.0)"),
    "stats.loguniform": (stats.loguniform(1e-3, 1), "Float(0.001, 1.0, log=True)"),
    "stats.randint": (stats.randint(1, 5), "Int(1, 4)"),
    "stats.norm": (stats.norm(0, 1), "a Float, an Int or a Categorical"),
}


@pytest.mark.parametrize(("declared", "ours"), SPOKEN.values(), ids=SPOKEN)
def test_it_is_refused_with_the_axis_to_write(declared: Any, ours: str) -> None:
    with pytest.raises(SearchSpaceError, match=f"axis 'x': .*; write {re.escape(ours)}$"):
        SearchSpace({"x": declared})


@pytest.mark.parametrize(("declared", "ours"), SPOKEN.values(), ids=SPOKEN)
def test_the_axis_to_write_is_one(declared: Any, ours: str) -> None:
    if "(" in ours:
        made = eval(ours, {"Float": Float, "Int": Int, "Categorical": Categorical})
        assert SearchSpace({"x": made})["x"] == made


def test_axes_within_a_dict_are_refused() -> None:
    with pytest.raises(SearchSpaceError, match=r"axis 'layer': .* has axes within.*of its own"):
        SearchSpace({"layer": {"units": Int(1, 9), "rate": 0.1}})


def test_other_dicts_functions_and_arrays_are_constants() -> None:
    constants = {"dict": {"units": 9}, "function": np.tanh, "matrix": np.eye(2)}
    space = SearchSpace(constants)
    assert space.constants()["function"] is np.tanh
    assert list(space) == list(constants)

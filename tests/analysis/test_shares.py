"""What importance makes of points whose truth is known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from analysis.shares import (
    Points,
    TookTooLongError,
    anova,
    as_searched,
    fanova,
    importance_of,
    is_balanced,
    method_for,
    ped_anova,
)

LOG = FloatDistribution(1e-4, 1.0, log=True)
AXES: dict[str, BaseDistribution] = {"rate": LOG, "noise": FloatDistribution(0.0, 1.0)}


def searched(n: int = 80) -> Points:
    """The result falls off on both sides of rate 1e-3, two decades above the axis' low end."""
    rng = np.random.default_rng(1)
    rate = 10 ** rng.uniform(-4, 0, n)
    noise = rng.uniform(0, 1, n)
    results = -((np.log10(rate) + 3) ** 2) + 0.05 * noise
    params = [{"rate": r, "noise": x} for r, x in zip(rate.tolist(), noise.tolist(), strict=True)]
    return Points(params, [AXES] * n, results)


def grid(result: Any, repeat: int = 1) -> Points:
    """All of a in 1, 10, 100 with b in x, y."""
    axes: dict[str, BaseDistribution] = {
        "a": IntDistribution(1, 100, log=True),
        "b": CategoricalDistribution(["x", "y"]),
    }
    params = [{"a": a, "b": b} for a, b in itertools.product((1, 10, 100), "xy")] * repeat
    return Points(params, [axes] * len(params), np.array([float(result(**p)) for p in params]))


def test_a_log_axis_counts_by_its_logarithm() -> None:
    plain, searched_on = (fanova(p, trees=8) for p in (searched(), as_searched(searched())))
    assert searched_on["rate"] > 0.9
    assert searched_on["rate"] > plain["rate"]
    assert sum(searched_on.values()) == pytest.approx(1)


def test_numbers_become_logarithms_or_levels() -> None:
    points = grid(lambda a, b: a)
    logs = [params["a"] for params in as_searched(points).params]
    assert logs[::2] == [math.log(1), math.log(10), math.log(100)]
    levels = [params["a"] for params in as_searched(points, levels=True).params]
    assert levels == [0, 0, 1, 1, 2, 2]


def test_the_anova_of_a_whole_grid_is_exact() -> None:
    """Var(a) = 2/3 of -1, 0, 1 and Var(b) = 1/4 of 0, 1: of an additive result, 8/11 and 3/11."""
    points = grid(lambda a, b: math.log10(a) + (b == "x"))
    assert is_balanced(points)
    assert method_for(points) == "anova"
    assert anova(points) == pytest.approx({"a": 8 / 11, "b": 3 / 11})


def test_what_interacts_is_no_axis_own() -> None:
    points = grid(lambda a, b: (math.log10(a) - 1) * (1 if b == "x" else -1))
    assert anova(points) == pytest.approx({"a": 0.0, "b": 0.0})


def test_a_grid_with_a_hole_is_not_whole() -> None:
    points = grid(lambda a, b: a, repeat=2)
    assert is_balanced(points)
    assert not is_balanced(points.take(np.arange(11)))
    assert method_for(points.take(np.arange(11))) == "fanova"


def test_ped_anova_asks_for_the_best_quarter() -> None:
    found = ped_anova(as_searched(searched()))
    assert found["rate"] > 0.8


@pytest.mark.parametrize("method", ["fanova", "ped_anova"])
def test_a_share_has_an_interval_and_a_floor_of_chance(method: str) -> None:
    found = importance_of(as_searched(searched(60)), method, resamples=6)
    assert found is not None
    assert found.trials == 60
    rate, noise = found.shares
    assert (rate.param, noise.param) == ("rate", "noise")
    assert rate.share > rate.floor
    assert noise.share < noise.floor
    assert rate.low <= rate.high


def test_it_ends_when_its_time_is_over() -> None:
    with pytest.raises(TookTooLongError, match="time that was given"):
        importance_of(as_searched(searched(20)), "ped_anova", until=0.0)


def test_nothing_varied_or_equal_results_have_no_importance() -> None:
    alike = grid(lambda a, b: 1.0)
    assert importance_of(as_searched(alike), "fanova") is None
    assert importance_of(alike.take(np.array([0, 0])), "anova") is None


def test_a_parameter_of_some_trials_is_named_as_left_out() -> None:
    points = searched(20)
    half: list[dict[str, Any]] = [
        dict(p) if i % 2 else {"rate": p["rate"]} for i, p in enumerate(points.params)
    ]
    axes = [{name: AXES[name] for name in params} for params in half]
    found = importance_of(Points(half, axes, points.results), "fanova", resamples=1)
    assert found is not None
    assert [share.param for share in found.shares] == ["rate"]
    assert found.left_out == ["noise"]

"""The model of learning curves, as properties."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from scipy.optimize import check_grad, minimize

from tuner.curve_model import gauss
from tuner.curve_model.columns import Columns
from tuner.curve_model.curves import (
    Curve,
    best_curves,
    normal_scores,
    points_of,
    rungs_to,
    sample_of,
)
from tuner.curve_model.model import CurveModel, enough
from tuner.curve_model.presence import as_told, by_rule, without

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "units": IntDistribution(8, 64, step=8),
    "layers": IntDistribution(1, 100, log=True),
    "drop": FloatDistribution(-0.5, 0.7, step=0.1),
    "kind": CategoricalDistribution(["a", "b", None]),
}
RUNGS = [1, 3, 9]


def curves_of(count: int, seed: int = 0) -> list[Curve]:
    """Curves that fall towards the distance of the rate from 1e-3; few reach the later rungs."""
    rng = np.random.default_rng(seed)
    columns = Columns(SPACE)
    curves = []
    for number, units in enumerate(columns.draws(rng, count)):
        params = columns.params(units)
        end = (math.log10(params["rate"]) + 3) ** 2
        reached = RUNGS[: 1 + number % 3]
        losses = {rung: end + 4 * 0.7**rung for rung in reached}
        curves.append(Curve(number, params, losses))
    return curves


@given(st.integers(0, 2**32 - 1))
def test_points_are_on_their_axes_and_come_back_from_their_units(seed: int) -> None:
    columns = Columns(SPACE)
    rng = np.random.default_rng(seed)
    drawn = columns.draws(rng, 5)
    for units in np.vstack([drawn, columns.mutants(rng, drawn)]):
        params = columns.params(units)
        assert all(0 <= unit <= 1 for unit in units)
        assert params.keys() == SPACE.keys()
        for name, value in params.items():
            assert SPACE[name]._contains(SPACE[name].to_internal_repr(value))
        assert columns.params(columns.points([params])[0]) == pytest.approx(params)


def test_a_mutant_differs_from_its_parent() -> None:
    columns = Columns({f"x{i}": FloatDistribution(0.0, 1.0) for i in range(7)})
    rng = np.random.default_rng(0)
    parents = columns.draws(rng, 500)
    changed = (columns.mutants(rng, parents) != parents).sum(1)
    assert changed.min() >= 1
    assert (changed == 1).sum() > 20


def test_the_ends_of_a_whole_number_are_drawn_as_often_as_the_others() -> None:
    columns = Columns({"n": IntDistribution(1, 4)})
    values = [columns.params(units)["n"] for units in columns.draws(np.random.default_rng(0), 4000)]
    assert all(abs(values.count(value) - 1000) < 120 for value in (1, 2, 3, 4))


def test_a_value_off_its_axis_is_as_if_it_were_absent() -> None:
    units = Columns(SPACE).points([{"rate": -1.0, "kind": "z", "units": 999}])[0]
    assert np.isnan(units[[0, 2, 3, 4]]).all()
    assert units[1] == 1.0


def test_rows_tell_an_absent_axis_from_one_in_the_middle() -> None:
    columns = Columns({"x": FloatDistribution(0.0, 1.0), "k": CategoricalDistribution(["a", "b"])})
    units = np.array([[0.5, 0.25], [math.nan, 0.25], [0.5, math.nan]])
    rows = columns.rows(units, [True, True])
    assert rows.tolist() == [[0.5, 0, 0.7, 0], [0.5, 1, 0.7, 0], [0.5, 0, 0, 0]]


def test_rungs_stand_below_the_last_epoch() -> None:
    assert rungs_to(50) == [1, 3, 9, 27, 50]
    assert rungs_to(27) == [1, 3, 9, 27]
    assert rungs_to(10, eta=4, min_epochs=2) == [2, 8, 10]
    assert rungs_to(1) == [1]


def test_the_gradient_of_a_fit_is_that_of_its_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((12, 4)), rng.normal(size=12)
    seen: list[Any] = []

    def keep(loss: Any, start: Any, **given: Any) -> Any:
        seen.append((loss, start))
        return minimize(loss, start, **given)

    monkeypatch.setattr(gauss, "minimize", keep)
    gauss.fit(x, y)
    loss, start = seen[0]
    at = start + 0.1 * rng.normal(size=len(start))
    assert check_grad(lambda t: loss(t)[0], lambda t: loss(t)[1], at) < 1e-4


def test_the_process_passes_through_what_it_is_told_where_noise_is_small() -> None:
    rng = np.random.default_rng(1)
    x, y = np.column_stack([rng.random((10, 2)), np.ones(10)]), rng.normal(size=10)
    process = gauss.Gauss(gauss.Theta(np.array([0.3, 0.3, 1.0]), 1e-6, 1.0), x, y)
    mean, deviation = process.end(x[:, :2])
    assert mean == pytest.approx(y, abs=1e-2)
    assert deviation.max() < 0.02
    _, unsure = process.end(np.array([[30.0, 30.0]]))
    assert unsure[0] > 1.0
    draws = [process.draw(x[:, :2], np.random.default_rng(seed)) for seed in range(3)]
    assert all(draw == pytest.approx(y, abs=0.05) for draw in draws)


@settings(deadline=None, max_examples=10)
@given(st.integers(10, 60), st.integers(0, 2**31))
def test_how_values_are_scaled_does_not_matter(count: int, seed: int) -> None:
    curves = curves_of(count, seed)
    columns = Columns(SPACE)

    def next_point(scale: Any) -> Any:
        scaled = [
            Curve(c.trial, c.params, {rung: scale(loss) for rung, loss in c.losses.items()})
            for c in curves
        ]
        model = CurveModel(columns, RUNGS, scaled)
        return model.propose(np.random.default_rng(7)), model.promise([c.params for c in scaled])

    (point, promise), (other, others) = (next_point(s) for s in (lambda v: v, lambda v: v**3 + 5))
    assert point == other
    assert promise == pytest.approx(others)


def test_what_it_says_is_a_function_of_what_it_is_told() -> None:
    curves = curves_of(40)
    columns = Columns(SPACE)
    first = CurveModel(columns, RUNGS, curves).propose(np.random.default_rng(3))
    CurveModel(columns, RUNGS, curves_of(30, seed=9)).propose(np.random.default_rng(3))
    assert CurveModel(Columns(SPACE), RUNGS, curves).propose(np.random.default_rng(3)) == first


def test_it_proposes_near_what_ends_best_and_promises_it_most() -> None:
    columns = Columns(SPACE)
    curves = curves_of(60)
    model = CurveModel(columns, RUNGS, curves)
    rates = [model.propose(np.random.default_rng(seed))["rate"] for seed in range(30)]
    assert np.median(np.abs(np.log10(rates) + 3)) < 0.5
    good, poor = ({**curves[0].params, "rate": rate} for rate in (1e-3, 1.0))
    promise = model.promise([good, poor])
    assert promise[0] < promise[1]


def test_a_diverging_half_is_kept_off() -> None:
    columns = Columns({"x": FloatDistribution(0.0, 1.0)})
    curves = [
        Curve(n, {"x": n / 40}, {} if n > 20 else {1: 1.0 - n / 40}, diverged=n > 20)
        for n in range(41)
    ]
    model = CurveModel(columns, RUNGS, curves)
    drawn = [model.propose(np.random.default_rng(seed))["x"] for seed in range(40)]
    assert sum(x > 0.55 for x in drawn) <= 4


def test_of_too_many_points_two_thirds_are_deep_ones_and_the_others_new() -> None:
    curves = [Curve(n, {}, {1: 1.0, 3: 1.0, 9: 1.0} if n < 6 else {1: float(n)}) for n in range(40)]
    points = points_of(curves, RUNGS, 12)
    assert len(points) == 12
    assert [(p.place, p.rung) for p in points[:8]] == [
        (5, 9), (5, 3), (5, 1), (4, 9), (4, 3), (4, 1), (3, 9), (3, 3),
    ]  # fmt: skip
    assert [p.place for p in points[8:]] == [39, 38, 37, 36]
    assert len(points_of(curves, RUNGS, 99)) == 6 * 3 + 34


def test_the_sample_for_a_fit_spans_all_ages_and_seldom_changes() -> None:
    curves = [Curve(n, {}, {1: 1.0, 3: 1.0} if n % 3 == 0 else {1: 1.0}) for n in range(900)]
    samples = [sample_of(curves[:count], RUNGS, 60) for count in range(600, 900)]
    assert all(len(sample) == 60 for sample in samples)
    changes = sum(one != other for one, other in itertools.pairwise(samples))
    assert 0 < changes < 45
    ages = [point.place for point in samples[-1]]
    assert min(ages) < 60
    assert max(ages) > 840


def test_normal_scores_follow_ranks_and_infinite_losses_are_the_worst() -> None:
    scores = normal_scores([3.0, 1.0, math.inf])
    assert scores.argsort().tolist() == [1, 0, 2]
    assert scores.sum() == pytest.approx(0)


def test_the_best_are_the_deepest_first_and_ten_are_enough_to_ask() -> None:
    curves = curves_of(9)
    assert [c.trial % 3 for c in best_curves(curves, 4)] == [2, 2, 2, 1]
    assert not enough(curves)
    assert not enough([*curves, Curve(9, {}, {})])
    assert enough([*curves, Curve(9, {}, {}, diverged=True)])


def test_a_declared_rule_says_which_axes_a_candidate_lacks() -> None:
    space: dict[str, BaseDistribution] = {
        "kind": CategoricalDistribution(["a", "b"]),
        "depth": IntDistribution(1, 5),
    }
    columns = Columns(space)

    def walk(pick: Any) -> dict[str, Any]:
        kind = pick("kind")
        return {"kind": kind, "depth": pick("depth")} if kind == "a" else {"kind": kind}

    told = [
        Curve(n, {"kind": "a", "depth": 1 + n % 5} if n % 2 else {"kind": "b"}, {1: float(n % 5)})
        for n in range(20)
    ]
    model = CurveModel(columns, [1, 3], told, by_rule(columns, walk))
    for seed in range(20):
        point = model.propose(np.random.default_rng(seed))
        assert ("depth" in point) == (point["kind"] == "a")


def test_without_a_rule_a_candidate_lacks_what_the_most_alike_told_lacks() -> None:
    columns = Columns(
        {"kind": CategoricalDistribution(["a", "b"]), "depth": FloatDistribution(0.0, 1.0)}
    )
    told = columns.points([{"kind": "a", "depth": 0.3}, {"kind": "b"}])
    candidates = columns.points([{"kind": kind, "depth": 0.9} for kind in "ab"])
    settled = without(candidates, as_told(columns, told))
    assert np.isnan(settled).tolist() == [[False, False], [False, True]]
    assert as_told(columns, told[:1]) is None

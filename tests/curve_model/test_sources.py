"""What the model takes from earlier studies, as properties."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.curve_model.test_curve_model import RUNGS, SPACE, curves_of
from tuner.curve_model.columns import Columns
from tuner.curve_model.curves import Curve
from tuner.curve_model.model import CurveModel
from tuner.curve_model.sources import Learned, Source


def turned(curves: list[Curve]) -> list[Curve]:
    """The curves of a study that says the opposite."""
    return [c._replace(losses={rung: -loss for rung, loss in c.losses.items()}) for c in curves]


def rates(model: CurveModel, count: int = 10) -> np.ndarray:
    """The logs of the rates that a model proposes; the best is -3."""
    proposed = [model.propose(np.random.default_rng(seed)) for seed in range(count)]
    return np.array([math.log10(point["rate"]) for point in proposed])


ALIKE = Source("alike", SPACE, curves_of(60, seed=1))
OPPOSITE = Source("opposite", SPACE, turned(curves_of(60, seed=1)))


def test_the_first_proposal_is_near_the_best_of_an_earlier_study() -> None:
    model = CurveModel(Columns(SPACE), RUNGS, [], learned=Learned((ALIKE,)))
    assert float(np.median(abs(rates(model) + 3))) < 0.5
    assert model.weights == pytest.approx({"alike": 0.4})


def test_a_source_among_more_counts_less_and_all_together_count_more() -> None:
    both = Learned((ALIKE, OPPOSITE))
    model = CurveModel(Columns(SPACE), RUNGS, [], learned=both)
    assert model.weights == pytest.approx({"alike": 0.8 / 3, "opposite": 0.8 / 3})


def test_a_source_that_says_the_opposite_is_left_out_after_some_trials() -> None:
    columns, curves = Columns(SPACE), curves_of(12, seed=7)
    model = CurveModel(columns, RUNGS, curves, learned=Learned((OPPOSITE,)))
    assert model.weights == {}
    plain = CurveModel(columns, RUNGS, curves)
    assert model.promise([c.params for c in curves]) == pytest.approx(
        plain.promise([c.params for c in curves])
    )


def test_of_two_sources_the_one_that_agrees_counts_more() -> None:
    noise = np.random.default_rng(5)
    unlike = [
        c._replace(losses={r: loss + noise.normal(0, 9) for r, loss in c.losses.items()})
        for c in ALIKE.curves
    ]
    three = Learned((OPPOSITE, ALIKE, Source("unlike", SPACE, unlike)))
    model = CurveModel(Columns(SPACE), RUNGS, curves_of(20, seed=7), learned=three)
    assert "opposite" not in model.weights
    assert model.weights["alike"] > model.weights.get("unlike", 0.0)


def test_the_scale_and_level_of_a_source_do_not_matter() -> None:
    moved = [
        c._replace(losses={rung: 1000 + math.exp(loss) for rung, loss in c.losses.items()})
        for c in ALIKE.curves
    ]
    scaled = Learned((Source("scaled", SPACE, moved),))
    columns, curves = Columns(SPACE), curves_of(12, seed=7)
    one = CurveModel(columns, RUNGS, curves, learned=scaled)
    other = CurveModel(columns, RUNGS, curves, learned=Learned((ALIKE,)))
    assert one.propose(np.random.default_rng(0)) == other.propose(np.random.default_rng(0))


def test_a_source_of_one_axis_leaves_the_others_open() -> None:
    rate = {"rate": SPACE["rate"]}
    curves = [c._replace(params={"rate": c.params["rate"]}) for c in ALIKE.curves]
    model = CurveModel(Columns(SPACE), RUNGS, [], learned=Learned((Source("rate", rate, curves),)))
    assert float(np.median(abs(rates(model) + 3))) < 0.5
    proposed = [model.propose(np.random.default_rng(seed)) for seed in range(10)]
    assert all(point.keys() == SPACE.keys() for point in proposed)
    assert len({point["kind"] for point in proposed}) > 1


def test_without_a_source_the_model_is_as_ever() -> None:
    columns, curves = Columns(SPACE), curves_of(20)
    plain = CurveModel(columns, RUNGS, curves).propose(np.random.default_rng(0))
    empty = CurveModel(columns, RUNGS, curves, learned=Learned()).propose(np.random.default_rng(0))
    assert plain == empty


def test_a_source_is_read_at_the_new_studys_rungs() -> None:
    curve = Curve(0, {}, {1: 5.0, 2: 4.0, 5: 3.0, 8: 2.0})
    [at] = Source("by epoch", {}, [curve]).at([1, 3, 9])
    assert at.losses == {1: 5.0, 3: 3.0}
    [end] = Source("ends", {}, [Curve(0, {}, {1: 5.0})], ends=True).at([1, 3, 9])
    assert end.losses == {9: 5.0}

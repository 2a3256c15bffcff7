"""One suite that every sampler passes."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from tests.brain import experiment, half_diverging, open_study, rising, simulate
from tuner.engines.simulated import Step
from tuner.errors import ExperimentError, StudyError
from tuner.samplers.inside import InsideSampler
from tuner.samplers.per_trial import Setting
from tuner.samplers.registry import SAMPLERS, check_sampler, for_trial, open_sampler
from tuner.samplers.rung_view import newest_and_best
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.trial.cells import Cell, State

ALL = [pytest.param(name, marks=pytest.mark.gp if name == "gp" else ()) for name in SAMPLERS.ours]
LEARNING = [p for p in ALL if p.values[0] not in ("random", "qmc")]

SPACE: dict[str, Any] = {"x": Float(0.0, 1.0), "y": Float(1e-3, 1.0, log=True), "epochs": 9}
CONDITIONAL: dict[str, Any] = {
    "kind": Categorical(["a", "b"]),
    "x": Float(0.0, 1.0),
    "depth": Int(1, 5, when={"kind": "a"}),
    "rate": Float(0.0, 1.0, when={"kind": ["b"]}),
    "epochs": 3,
}


@pytest.mark.parametrize("name", ALL)
def test_points_lie_in_a_conditional_space(name: str) -> None:
    study = simulate(experiment(space=CONDITIONAL, sampler=name, trials=25))
    kinds = {record.params["kind"] for record in study.records}
    assert kinds == {"a", "b"}
    for record in study.records:
        params = record.params
        assert ("depth" in params) == (params["kind"] == "a")
        assert ("rate" in params) == (params["kind"] == "b")
        assert all(study.space[key].holds(value) for key, value in params.items())


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_points_and_another_seed_others(name: str) -> None:
    def points(seed: int) -> list[dict[str, Any]]:
        study = simulate(experiment(space=SPACE, sampler=name, trials=15, seed=seed))
        return [record.params for record in study.records]

    assert points(1) == points(1)
    assert points(1) != points(2)


NEXT_POINT = """
import sys
from pathlib import Path
from tests.brain import experiment, open_study
from tests.samplers.test_sampler import SPACE

settled = experiment(space=SPACE, sampler=sys.argv[1], trials=20, seed=4, scheduler="none")
print(open_study(settled, Path(sys.argv[2])).ask().params)
"""


@pytest.mark.parametrize("name", ALL)
def test_a_study_resumed_in_a_new_process_gets_the_point_that_an_undisturbed_one_gets(
    name: str, tmp_path: Path
) -> None:
    fields = {"space": SPACE, "sampler": name, "seed": 4, "scheduler": "none"}
    begun = simulate(experiment(**fields, trials=14), half_diverging, folder=tmp_path)
    begun.ledger.disconnect()
    undisturbed = simulate(experiment(**fields, trials=15), half_diverging)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", NEXT_POINT, name, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == str(undisturbed.records[14].params)


@pytest.mark.parametrize("name", LEARNING)
@pytest.mark.parametrize("scheduler", ["none", "asha"])
def test_it_stays_away_from_the_half_that_diverges(name: str, scheduler: str) -> None:
    late = []
    for seed in range(5):
        fields = {"space": SPACE, "sampler": name, "seed": seed, "scheduler": scheduler}
        study = simulate(experiment(**fields, trials=50), half_diverging)
        late += [record.params["x"] > 0.5 for record in study.records[20:]]
    assert sum(late) / len(late) < 0.4


@pytest.mark.parametrize("name", LEARNING)
def test_it_finds_better_points_than_chance(name: str) -> None:
    def late_mean(sampler: str) -> float:
        values = []
        for seed in range(4):
            fields = {"space": SPACE, "sampler": sampler, "seed": seed, "scheduler": "none"}
            study = simulate(experiment(**fields, trials=40), rising)
            values += [record.value or 0.0 for record in study.records[20:]]
        return sum(values) / len(values)

    assert late_mean(name) > late_mean("random")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_stopped_diverged_and_failed_trials_break_nothing(name: str, direction: str) -> None:
    def mixed(cell: Cell) -> Iterator[Step]:
        if cell.trial % 7 == 6:
            raise ValueError("no")
        yield from half_diverging(cell)

    fields = {
        "space": SPACE,
        "sampler": name,
        "direction": direction,
        "eta": 2,
        "retries": 0,
        "seed": 1,
    }
    study = simulate(experiment(**fields, trials=40), mixed, workers=3)
    assert set(study.counts()) == {State.COMPLETE, State.STOPPED, State.DIVERGED, State.FAILED}


@pytest.mark.parametrize("multivariate", [True, False])
def test_tpe_has_both_its_forms(multivariate: bool) -> None:
    study = simulate(experiment(space=SPACE, multivariate=multivariate, trials=25, seed=3))
    assert len(study.records) == 25


def test_of_many_trials_a_sampler_sees_the_best_and_the_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuner.samplers.rung_view.BEST", 2)
    monkeypatch.setattr("tuner.samplers.rung_view.NEWEST", 3)
    losses = dict(enumerate([5.0, 1.0, 4.0, 0.5, 9.0, 8.0, 7.0]))
    assert newest_and_best(losses) == [1, 3, 4, 5, 6]
    assert newest_and_best({0: 1.0, 4: 2.0}) == [0, 4]


class _Outside(optuna.samplers.RandomSampler):
    """Proposes what no axis holds."""

    def sample_independent(self, *asked: Any) -> Any:
        return 7.5


def test_a_sampler_that_leaves_the_space_is_named() -> None:
    study = optuna.create_study(sampler=InsideSampler(_Outside()))
    with pytest.raises(StudyError, match=r"_Outside proposed 7\.5 .*'x'.* from 0\.0 to 1\.0"):
        study.ask().suggest_float("x", 0.0, 1.0)
    with pytest.raises(StudyError, match=r"_Outside proposed 7\.5 for axis 'n'.*whole numbers"):
        study.ask().suggest_int("n", 0, 9)
    with pytest.raises(StudyError, match=r"_Outside proposed 7\.5 .*'k'.*one of \['a', 'b'\]"):
        study.ask().suggest_categorical("k", ["a", "b"])


class _Says(optuna.samplers.RandomSampler):
    """Proposes one value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def sample_independent(self, *asked: Any) -> Any:
        return self._value


def test_a_sampler_may_propose_numpys_numbers_and_nothing_that_is_not_finite() -> None:
    def proposed(value: Any, axis: str) -> Any:
        trial = optuna.create_study(sampler=InsideSampler(_Says(value))).ask()
        return trial.suggest_int("n", 0, 9) if axis == "n" else trial.suggest_float("x", 0.0, 1.0)

    assert [type(proposed(np.int64(3), "n")), type(proposed(np.float32(0.5), "x"))] == [int, float]
    for value in (math.nan, math.inf):
        with pytest.raises(StudyError, match=f"_Says proposed {value} for axis 'n', which takes"):
            proposed(value, "n")


def test_any_sampler_of_optunas_proposes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = open_sampler("optuna.samplers:BruteForceSampler")
    setting = Setting(0, SearchSpace({"k": Categorical([1, 2, 3])}))
    study, seen = optuna.create_study(), set()
    for number in range(3):
        study.sampler = for_trial(sampler, number, setting)
        trial = study.ask()
        seen.add(trial.suggest_categorical("k", [1, 2, 3]))
        study.sampler = optuna.samplers.RandomSampler()  # a study of ours tells past its sampler
        study.tell(trial, 0.0)
    assert seen == {1, 2, 3}


def test_what_is_no_sampler_is_refused_by_name() -> None:
    with pytest.raises(ExperimentError, match=r"'tpee' is not one of rung_gp, tpe, nsga2, random"):
        check_sampler("tpee", SearchSpace(SPACE))
    with pytest.raises(ExperimentError, match=r"json:Dump cannot be imported: AttributeE"):
        check_sampler("json:Dump", SearchSpace(SPACE))
    with pytest.raises(ExperimentError, match=r"what 'builtins:dict' makes is a dict"):
        open_sampler("builtins:dict")


def test_enqueued_points_come_first_and_the_sampler_fills_what_they_leave_out() -> None:
    settled = experiment(space=SPACE, trials=4)
    study = open_study(settled)
    study.proposals.enqueued = [{"x": 0.25, "y": 0.5}, {"y": 0.125}]
    points = [cell.params for _ in range(4) if (cell := study.ask()) is not None]
    assert (points[0]["x"], points[0]["y"]) == (0.25, 0.5)
    assert points[1]["y"] == 0.125
    assert 0 <= points[1]["x"] <= 1
    assert points[2]["y"] != 0.125


def test_a_missing_package_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.samplers.registry.find_spec", lambda name: None)
    with pytest.raises(ExperimentError, match=r"sampler: 'gp' needs the package torch; pip in"):
        check_sampler("gp", SearchSpace(SPACE))


def test_what_a_sampler_cannot_learn_from_is_said() -> None:
    assert check_sampler("tpe", SearchSpace(CONDITIONAL)) is None
    assert check_sampler("cmaes", SearchSpace(SPACE)) is None
    said = check_sampler("cmaes", SearchSpace(CONDITIONAL))
    assert said == "cmaes draws categorical and conditional axes at random: kind, depth, rate"

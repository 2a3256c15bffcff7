"""Several goals at once, and constraints: values, fronts, the best, what is refused, and named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

import tuner
from tests.brain import close, experiment, open_study, simulate
from tuner.cli.run import _listed as listed_on_the_line
from tuner.engines.simulated import Step
from tuner.errors import ExperimentError, ResultsError, StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Loaded, Source
from tuner.experiment.settle import scheduler_of, settle
from tuner.runner.repair import repair
from tuner.runner.resolve import notes
from tuner.runner.show import show_study
from tuner.samplers.registry import SAMPLERS, check_sampler
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import TRIALS_FILE
from tuner.store.study_json import describe
from tuner.study.study import Study
from tuner.trial.cells import Cell, Ending, Outcome, State

SPACE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0), "epochs": Int(1, 9)}
GOALS: dict[str, Any] = {
    "space": SPACE,
    "metric": ["val_accuracy", "latency_ms"],
    "direction": ["maximize", "minimize"],
    "sampler": "random",
}


def trading(cell: Cell) -> Iterator[Step]:
    """The larger x the better and the slower; y is a waste of both."""
    x, y = cell.params["x"], cell.params.get("y", 0.0)
    for epoch in range(1, (cell.epochs or 9) + 1):
        accuracy = (x - 0.3 * y) * (1.0 - 0.5**epoch)
        latency = {"latency_ms": 10.0 * x + 5.0 * y} if epoch == 1 else {}
        yield Step(epoch, {"val_accuracy": accuracy, "size_mb": 10.0 * x, **latency})


def table(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / TRIALS_FILE)


def test_a_trial_has_the_values_of_all_goals_at_one_epoch(tmp_path: Path) -> None:
    study = simulate(experiment(**GOALS, scheduler="asha", trials=27), trading, folder=tmp_path)
    rows = table(tmp_path)
    assert (rows["value"] == rows["value_0"]).all()
    assert rows["feasible"].all()
    x, y = rows["param_x"], rows["param_y"]
    assert rows["value_1"].tolist() == pytest.approx((10.0 * x + 5.0 * y).tolist())
    best = study.best()
    assert best is not None
    assert best.value == rows["value_0"].max()


def test_asha_goes_on_with_the_first_fronts_and_their_ends() -> None:
    study = simulate(experiment(**GOALS, scheduler="asha", trials=30), trading)
    gone_on = [study.records[trial] for trial in study.board.gone_on(1)]
    kept = [record for record in study.records if record not in gone_on]
    assert len(gone_on) >= 9
    waste = [sum(r.params["y"] for r in rows) / len(rows) for rows in (gone_on, kept)]
    assert waste[0] < waste[1] / 1.5
    spread = [record.params["x"] for record in gone_on]
    assert min(spread) < 0.3
    assert max(spread) > 0.7  # by one goal alone the others would be gone


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_samplers_of_several_goals_learn_from_all_of_them(sampler: str) -> None:
    study = simulate(experiment(**{**GOALS, "sampler": sampler}, trials=60), trading)
    waste = [record.params["y"] for record in study.records[30:]]
    assert sum(waste) / len(waste) < 0.4
    spread = [record.params["x"] for record in study.records[30:]]
    assert min(spread) < 0.3
    assert max(spread) > 0.7


def test_with_nothing_named_the_default_for_several_goals_is_taken_and_said() -> None:
    fields = {key: value for key, value in GOALS.items() if key != "sampler"}
    settled = settle(Experiment("two", objective=print, **fields), {})
    assert (settled.sampler, settled.scheduler) == ("random", "asha")
    assert notes(settled)[0] == (
        "2 goals, maximize val_accuracy and minimize latency_ms: random + asha, the default for "
        "several goals: rung_gp knows one"
    )


@pytest.mark.parametrize("name", ["rung_gp", "median", "hyperband", "asha_stopping"])
def test_schedulers_of_one_goal_name_those_of_several(name: str) -> None:
    with pytest.raises(ExperimentError, match=f"'{name}' judges by one metric.*take asha"):
        scheduler_of(experiment(**GOALS, scheduler=name))


@pytest.mark.parametrize("name", ["rung_gp", "cmaes"])
def test_samplers_of_one_goal_name_those_of_several(name: str) -> None:
    with pytest.raises(ExperimentError, match=r"one metric.*take tpe, nsga2, gp, qmc or random"):
        check_sampler(name, SearchSpace(SPACE), goals=2)
    for other in SAMPLERS.ours.keys() - {"rung_gp", "cmaes", "gp"}:
        check_sampler(other, SearchSpace(SPACE), goals=2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"metric": ["loss", "size"], "direction": ["minimize"]}, "1 for 2 metrics"),
        ({"metric": "loss", "direction": ["minimize", "maximize"]}, "2 for 1 metrics"),
        ({"metric": ["loss", "loss"]}, "names one twice"),
        ({"metric": []}, "must be the name of a reported metric"),
        ({"metric": ["loss", 3]}, "must be the name of a reported metric"),
        ({"metric": ["loss", "size"]}, "metric 'size' does not say which way is better"),
        ({"metric": ["loss", "acc"], "direction": ["min", "max"]}, "'min' is not one of auto"),
        ({"constraints": 5}, "5 is not a function of a report's metrics"),
        ({"metric": "violation", "direction": "minimize", "constraints": len}, "rename the metric"),
    ],
)
def test_goals_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        experiment(**fields)


def test_one_metric_in_a_list_is_one_metric() -> None:
    settled = experiment(metric=["loss"], direction=["minimize"])
    assert (settled.metric, settled.direction) == ("loss", "minimize")


def test_the_command_line_takes_several_with_commas() -> None:
    assert listed_on_the_line("metric", "loss, size") == ["loss", "size"]
    assert listed_on_the_line("metric", "loss") == "loss"
    assert listed_on_the_line("name", "a,b") == "a,b"


def small(metrics: Mapping[str, float]) -> list[float]:
    return [metrics["size_mb"] - 5.0]


@pytest.mark.parametrize("sampler", ["rung_gp", "tpe", "random"])
def test_the_best_keeps_the_constraints(tmp_path: Path, sampler: str) -> None:
    fields = {"space": SPACE, "sampler": sampler, "constraints": small, "trials": 40}
    study = simulate(experiment(**fields, scheduler="asha"), trading, folder=tmp_path)
    best = study.best()
    assert best is not None
    assert best.params["x"] <= 0.5
    assert [r.feasible for r in study.records] == [r.params["x"] <= 0.5 for r in study.records]
    assert "value_0" not in table(tmp_path)
    assert table(tmp_path)["feasible"].tolist() == [r.feasible for r in study.records]
    gone_on = [study.records[trial].feasible for trial in study.board.gone_on(1)]
    assert sum(gone_on) / len(gone_on) > 0.9
    if sampler != "random":
        late = [record.feasible for record in study.records[20:]]
        assert sum(late) / len(late) > 0.6  # half the space is


def test_constraints_that_raise_or_give_nan_are_infeasible_and_named(tmp_path: Path) -> None:
    def odd(metrics: Mapping[str, float]) -> list[float]:
        if metrics["size_mb"] > 5.0:
            return [math.nan]
        return [metrics["never_reported"]]

    fields = {"space": SPACE, "sampler": "random", "scheduler": "none", "constraints": odd}
    study = simulate(experiment(**fields), trading, folder=tmp_path)
    assert study.best() is None
    assert {record.state for record in study.records} == {State.COMPLETE}
    rows = table(tmp_path)
    assert not rows["feasible"].any()
    raised = rows["param_x"] <= 0.5
    assert (rows.loc[~raised, "error"] == "infeasible: constraint 0 was nan").all()
    assert rows.loc[raised, "error"].str.contains("constraints raised KeyError").all()


def test_a_nan_in_any_goal_ends_the_trial_and_is_named() -> None:
    def lost(cell: Cell) -> Iterator[Step]:
        for step in trading(cell):
            latency = math.nan if cell.params["x"] > 0.5 else 1.0
            yield Step(step.epoch, {**step.metrics, "latency_ms": latency})

    study = simulate(experiment(**GOALS, trials=20), lost)
    for record in study.records:
        assert (record.state is State.DIVERGED) == (record.params["x"] > 0.5)
    said = [r.error for r in study.records if r.state is State.DIVERGED]
    assert said[0] == "metric 'latency_ms' was nan at epoch 1"


def test_a_goal_that_is_never_reported_is_named() -> None:
    fields = {**GOALS, "metric": ["val_accuracy", "energy"]}
    study = simulate(experiment(**fields, scheduler="none", trials=3, retries=0), trading)
    assert study.records[0].error is not None
    assert study.records[0].error.startswith("metric 'energy' was never reported")


def test_a_cross_validation_compares_the_means_of_all_goals(tmp_path: Path) -> None:
    fields = {**GOALS, "mode": "cv", "folds": 2, "scheduler": "asha", "trials": 12}
    study = simulate(experiment(**fields), trading, folder=tmp_path)
    rows = table(tmp_path)
    both = [len(record.cells) == 2 for record in study.records]
    assert all(both)
    expected = 10.0 * rows["param_x"] + 5.0 * rows["param_y"]
    assert rows["value_1"].tolist() == pytest.approx(expected.tolist())


def test_a_repair_makes_the_same_table_without_the_constraints(tmp_path: Path) -> None:
    settled = experiment(**GOALS, scheduler="asha", constraints=small, dataset=None)
    loaded = Loaded(settled, Source("object", __name__))
    describe(loaded, settled, None, name=settled.name).write(tmp_path)
    simulate(settled, trading, folder=tmp_path)
    before = table(tmp_path)
    (tmp_path / TRIALS_FILE).unlink()
    repair(tmp_path)
    pd.testing.assert_frame_equal(table(tmp_path), before)


def test_the_ledger_knows_goals_and_constraints() -> None:
    study: Study = open_study(experiment(**GOALS, scheduler="none", constraints=small, trials=1))
    cell = study.ask()
    assert cell is not None
    for step in trading(cell):
        study.report(cell, step.epoch, step.metrics, step.epoch)
    study.tell(cell, Outcome(Ending.FINISHED))
    attempt = study.ledger.attempts()[0]
    assert attempt.values == list(study.records[0].values)
    assert attempt.constraints["constraints"] == study.records[0].violation
    close(study)


def test_a_study_goes_on_with_its_goals_and_not_without_its_constraints(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"metric": ["loss", "size"], "direction": ["minimize", "minimize"]}
    fields |= {"results": tmp_path, "trials": 4, "scheduler": "none"}
    space = {"x": Float(0.0, 1.0)}
    with tuner.Study(space, **fields, constraints=small) as study:
        trial = study.ask()
        assert trial is not None
        study.tell(trial, {"loss": trial["x"], "size": 1.0 - trial["x"], "size_mb": 1.0})
    with pytest.raises(StudyError, match="constraints: the study began with them"):
        tuner.Study(space, **fields, resume=True).__enter__()
    with tuner.Study(space, **fields, constraints=small, resume=True) as study:
        while (trial := study.ask()) is not None:
            study.tell(trial, {"loss": trial["x"], "size": 1.0 - trial["x"], "size_mb": 1.0})
    results = study.results()
    assert len(results.trials) == 4
    assert results.study.experiment.goals[1].metric == "size"
    front = results.pareto_front()
    assert len(front) == 4  # each trades one for the other
    assert front["value_0"].is_monotonic_increasing
    volume = results.hypervolume()
    assert volume["hypervolume"].is_monotonic_increasing
    assert volume["trial"].tolist() == [0, 1, 2, 3]
    assert [results.plot(kind).data != () for kind in ("front", "hypervolume")] == [True, True]
    console = Console(record=True, file=StringIO())
    show_study(results.path, 10, console)
    text = console.export_text()
    assert "minimize loss and minimize size" in text
    assert "front: 4 trials" in text
    page = results.report().read_text()
    assert "minimize loss and minimize size" in page
    assert "4 trials: " in page


def test_a_study_of_one_goal_has_no_front(tmp_path: Path) -> None:
    with tuner.Study({"x": Float(0.0, 1.0)}, metric="loss", results=tmp_path, trials=1) as study:
        trial = study.ask()
        assert trial is not None
        study.tell(trial, 1.0)
    with pytest.raises(ResultsError, match="a front is of several goals, and the study has one"):
        study.results().pareto_front()
    with pytest.raises(ResultsError, match="a front is of several goals"):
        study.results().plot("front")


@pytest.mark.parametrize(
    ("latency", "violation"), [(math.inf, 5e8), (math.nan, 1e9)], ids=["inf", "nan"]
)
def test_constraints_are_told_what_is_not_finite(latency: float, violation: float) -> None:
    def worse(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": 0.5, "latency": 1.0})
        yield Step(2, {"val_accuracy": 0.9, "latency": latency})

    settled = experiment(
        trials=1, scheduler="none", constraints=lambda metrics: [metrics["latency"] - 5.0]
    )
    record = simulate(settled, worse).records[0]
    assert (record.value, record.violation) == (0.9, violation)


def test_racing_is_against_a_feasible_trial_and_by_one_goal() -> None:
    def curve(cell: Cell) -> Iterator[Step]:
        x = cell.params["x"]
        yield Step(1, {"val_accuracy": 1.0 - x, "size": 10.0 if x < 0.5 else 1.0})

    fields: dict[str, Any] = {
        "space": {"x": Categorical([0.1, 0.6, 0.7])},
        "mode": "cv",
        "fold_racing": "aggressive",
    }
    settled = experiment(**fields, constraints=lambda metrics: [metrics["size"] - 5.0])
    study = simulate(settled, curve)
    assert [record.state for record in study.records][1:] == [State.COMPLETE, State.STOPPED]
    best = study.best()
    assert best is not None
    assert best.trial == 1
    with pytest.raises(ExperimentError, match="fold_racing: 'aggressive' compares trials by one"):
        experiment(**fields, metric=["val_accuracy", "size"], direction=["maximize", "minimize"])

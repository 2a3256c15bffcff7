"""The brain: states, attempts, epochs as the resource, seeds, windows; all on a virtual clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pandas as pd
import pytest

from tests.brain import SPACE, experiment, half_diverging, open_study, rising, simulate
from tuner.engines.simulated import Step, VirtualClock
from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.settle import last_epoch, settle
from tuner.schedulers.board import Board
from tuner.schedulers.contract import Verdict
from tuner.search_space.axes import Categorical, Constant, Float, Int
from tuner.study.cell_result import CellResult
from tuner.study.seeds import cell_seed
from tuner.study.study import Study
from tuner.testing.kept_studies import dying
from tuner.trial.cells import By, Cell, Decision, Ending, Outcome, State

DONE = Outcome(Ending.FINISHED)


def raised(text: str = "ValueError: no") -> Outcome:
    return Outcome(Ending.RAISED, text)


def rows(study: Study) -> list[tuple[Any, ...]]:
    return [(r.trial, r.params, r.state, r.value, r.epochs, r.rung) for r in study.records]


def run_cell(study: Study, values: list[float]) -> tuple[Cell, Decision]:
    """Ask, report the values epoch by epoch until stopped, tell."""
    cell = study.ask()
    assert cell is not None
    decision = Decision.CONTINUE
    for epoch, value in enumerate(values, 1):
        decision = study.report(cell, epoch, {"val_accuracy": value}, float(epoch))
        if decision is Decision.STOP:
            break
    study.tell(cell, DONE)
    return cell, decision


def test_a_trial_that_reaches_its_end_is_complete_with_its_last_value() -> None:
    study = open_study(experiment(scheduler="none", value="last"))
    run_cell(study, [0.5, 0.9, 0.7])
    record = study.records[0]
    assert (record.state, record.value, record.epochs) == (State.COMPLETE, 0.7, 3)
    told = study.ledger.attempts()[0]
    assert told.state is optuna.trial.TrialState.COMPLETE
    assert told.value == 0.7
    assert told.intermediate_values == {1: 0.5, 2: 0.9, 3: 0.7}


def test_value_best_takes_the_best_epoch_in_either_direction() -> None:
    for direction, best in [("maximize", 0.9), ("minimize", 0.5)]:
        study = open_study(experiment(scheduler="none", value="best", direction=direction))
        run_cell(study, [0.5, 0.9, 0.7])
        assert study.records[0].value == best


def test_a_stopped_trial_is_pruned_with_its_intermediate_values() -> None:
    study = open_study(experiment(scheduler="asha_stopping", eta=2))
    run_cell(study, [0.9] * 9)
    _, decision = run_cell(study, [0.1] * 9)
    assert decision is Decision.STOP
    assert study.records[1].state is State.STOPPED
    assert study.records[1].value == 0.1
    told = study.ledger.attempts()[1]
    assert told.state is optuna.trial.TrialState.PRUNED
    assert told.intermediate_values == {1: 0.1}
    assert told.constraints == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_searched_metric_that_is_not_finite_ends_the_trial_as_diverged(bad: float) -> None:
    study = open_study(experiment())
    cell = study.ask()
    assert cell is not None
    assert study.report(cell, 1, {"val_accuracy": bad, "loss": 0.5}, 1.0) is Decision.STOP
    study.tell(cell, DONE)
    record = study.records[0]
    assert (record.state, record.value) == (State.DIVERGED, None)
    assert record.error == f"metric 'val_accuracy' was {bad} at epoch 1"
    told = study.ledger.attempts()[0]
    assert told.state is optuna.trial.TrialState.PRUNED
    assert told.constraints == {"diverged": 1.0}


def test_a_nan_in_another_metric_is_left_out_and_ends_nothing(tmp_path: Path) -> None:
    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": 0.5, "auc": math.nan})
        yield Step(2, {"val_accuracy": 0.6, "auc": 0.7})

    study = simulate(experiment(trials=1, scheduler="none"), curve, folder=tmp_path)
    assert study.counts() == {State.COMPLETE: 1}
    table = pd.read_parquet(tmp_path / "reports.parquet")
    assert table["auc"].isna().tolist() == [True, False]


def test_a_raise_is_retried_then_failed_and_each_attempt_is_a_trial_of_optunas() -> None:
    study = open_study(experiment(trials=1, retries=1))
    first = study.ask()
    assert first is not None
    study.tell(first, raised())
    second = study.ask()
    assert second is not None
    assert (second.trial, second.attempt, second.params) == (0, 2, first.params)
    assert second.seed == first.seed
    study.tell(second, raised("ValueError: again"))
    assert study.finished
    record = study.records[0]
    assert (record.state, record.attempt, record.error) == (State.FAILED, 2, "ValueError: again")
    told = study.ledger.attempts()
    assert [t.state for t in told] == [optuna.trial.TrialState.FAIL] * 2
    assert [(t.user_attrs["trial"], t.user_attrs["attempt"]) for t in told] == [(0, 1), (0, 2)]


def test_a_death_does_not_count_as_a_raise_and_three_are_too_many() -> None:
    study = open_study(experiment(trials=1, retries=0))
    for attempt in (1, 2, 3):
        cell = study.ask()
        assert cell is not None
        assert cell.attempt == attempt
        study.tell(cell, Outcome(Ending.DIED, "worker died"))
    assert study.finished
    assert study.records[0].state is State.FAILED


def test_a_new_attempt_withdraws_the_rung_values_of_the_old_one() -> None:
    study = open_study(experiment(scheduler="asha_stopping", eta=2, retries=1))
    cell = study.ask()
    assert cell is not None
    study.report(cell, 1, {"val_accuracy": 0.9}, 1.0)
    study.tell(cell, raised())
    again = study.ask()
    other = study.ask()
    assert again is not None
    assert other is not None
    assert study.report(other, 1, {"val_accuracy": 0.2}, 1.0) is Decision.CONTINUE


def test_ending_without_a_report_or_without_the_metric_fails_and_says_why() -> None:
    study = open_study(experiment(trials=2, retries=0))
    first = study.ask()
    assert first is not None
    study.tell(first, DONE)
    assert "ended without reporting" in (study.records[0].error or "")
    second = study.ask()
    assert second is not None
    study.report(second, 1, {"accuracy": 0.5, "loss": 1.0}, 1.0)
    study.tell(second, DONE)
    assert study.records[1].error == (
        "metric 'val_accuracy' was never reported; reported were: accuracy, loss"
    )


def test_when_the_first_three_trials_fail_the_run_stops() -> None:
    study = open_study(experiment(trials=9, retries=0))
    for _ in range(3):
        cell = study.ask()
        assert cell is not None
        study.tell(cell, raised("Traceback\n  mine.py, line 3\nValueError: no"))
    assert study.finished
    assert "the first 3 trials all failed" in str(study.abort)
    assert "ValueError: no" in str(study.abort)


def test_failures_after_a_success_do_not_stop_the_run() -> None:
    study = open_study(experiment(trials=9, retries=0, scheduler="none"))
    run_cell(study, [0.5])
    for _ in range(4):
        cell = study.ask()
        assert cell is not None
        study.tell(cell, raised())
    assert not study.finished


def test_under_a_scheduler_epochs_are_the_budget_and_not_sampled() -> None:
    study = simulate(experiment(trials=8))
    assert {record.params["epochs"] for record in study.records} == {9}
    assert all("epochs" not in t.params for t in study.ledger.attempts())


def test_without_one_or_when_forced_epochs_are_a_parameter() -> None:
    for fields in ({"scheduler": "none"}, {"sample_epochs": True}):
        study = simulate(experiment(trials=8, **fields))
        assert len({record.params["epochs"] for record in study.records}) > 1


def test_epochs_sets_the_axis_high_end_and_lowers_its_low_end() -> None:
    space = {"epochs": Int(5, 20, grid=[5, 10, 20])}
    settled = experiment(space=space, epochs=3, scheduler="none")
    assert settled.space["epochs"] == Int(3, 3, grid=[3])
    settled = experiment(space=space, epochs=10, scheduler="none")
    assert settled.space["epochs"] == Int(5, 10, grid=[5, 10])
    assert experiment(space=space, epochs=30).space["epochs"] == Constant(30)


def test_the_last_epoch_comes_from_model_axis_constant_or_flag() -> None:
    model = KerasModel(build=rising, optimizer=rising, epochs=lambda p: 2 * p["x"])  # type: ignore[arg-type]
    assert last_epoch(experiment(objective=model), {"x": 4}) == 8
    assert last_epoch(experiment(space={"x": 1, "epochs": 7}), {"x": 1, "epochs": 7}) == 7
    assert last_epoch(experiment(space={"x": 1}, epochs=5), {"x": 1}) == 5
    assert last_epoch(experiment(space={"x": 1}), {"x": 1}) is None


def test_grid_and_cv_run_every_point_without_a_scheduler_unless_typed() -> None:
    space = {"a": Categorical([1, 2, 3]), "b": Float(0, 1, grid=[0.0, 0.5])}
    declared = Experiment("e", space, rising, sampler="random", scheduler="asha")
    settled = settle(declared, {"mode": "cv"})
    assert (settled.sampler, settled.scheduler) == ("grid", "none")
    settled = settle(declared, {"mode": "cv", "sampler": "tpe", "scheduler": "asha"})
    assert (settled.sampler, settled.scheduler) == ("tpe", "asha")


def flat(cell: Cell) -> Iterator[Step]:
    yield Step(1, {"val_accuracy": cell.params["a"] + cell.params["b"] + 0.1 * cell.fold})


GRID_SPACE = {"a": Categorical([1, 2, 3]), "b": Float(0, 1, grid=[0.0, 0.5])}


def test_a_grid_runs_each_point_once() -> None:
    study = simulate(experiment(space=GRID_SPACE, mode="grid"), flat, workers=3)
    points = [(r.params["a"], r.params["b"]) for r in study.records]
    assert points == [(1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5), (3, 0.0), (3, 0.5)]
    assert study.counts() == {State.COMPLETE: 6}


def test_cv_runs_every_point_on_every_fold_and_takes_mean_and_std() -> None:
    study = simulate(experiment(space=GRID_SPACE, mode="cv", folds=3), flat, workers=4)
    assert study.order == 18
    assert all(sorted(r.cells) == [0, 1, 2] for r in study.records)
    assert study.records[0].value == pytest.approx(1.1)
    assert study.records[0].value_std == pytest.approx(0.1 * math.sqrt(2 / 3))


def test_in_cv_a_failed_fold_is_run_again_and_the_others_stand() -> None:
    study = open_study(experiment(space={"a": 1, "b": 0.0}, mode="cv", folds=3, retries=1))
    cells = [study.ask() for _ in range(3)]
    for cell in cells:
        assert cell is not None
        study.report(cell, 1, {"val_accuracy": 0.5}, 1.0)
        study.tell(cell, raised() if cell.fold == 1 else DONE)
    again = study.ask()
    assert again is not None
    assert (again.trial, again.fold, again.attempt) == (0, 1, 2)
    study.report(again, 1, {"val_accuracy": 0.8}, 1.0)
    study.tell(again, DONE)
    assert study.finished
    assert study.records[0].state is State.COMPLETE
    assert study.records[0].value == pytest.approx((0.5 + 0.8 + 0.5) / 3)


def test_in_cv_a_fold_that_diverges_ends_the_whole_trial() -> None:
    study = open_study(experiment(space={"a": 1, "b": 0.0}, mode="cv", folds=4))
    first, second = study.ask(), study.ask()
    assert first is not None
    assert second is not None
    assert study.report(first, 1, {"val_accuracy": math.nan}, 1.0) is Decision.STOP
    study.tell(first, DONE)
    assert study.ask() is None
    assert study.report(second, 1, {"val_accuracy": 0.5}, 1.0) is Decision.STOP
    study.tell(second, DONE)
    assert study.finished
    assert study.records[0].state is State.DIVERGED


def test_a_seed_belongs_to_the_point_and_not_to_its_epochs_or_its_order() -> None:
    point = {"x": 0.25, "opt": "sgd"}
    seed = cell_seed(7, point, 0, 0)
    assert seed == cell_seed(7, {"opt": "sgd", "epochs": 5, "x": 0.25}, 0, 0)
    others = [
        cell_seed(8, point, 0, 0),
        cell_seed(7, point, 1, 0),
        cell_seed(7, point, 0, 1),
        cell_seed(7, {**point, "x": 0.26}, 0, 0),
    ]
    assert len({seed, *others}) == 5
    assert 0 <= seed < 2**32


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_random_search_gives_the_same_table_at_any_concurrency(sampler: str) -> None:
    fields = {"seed": 3, "sampler": sampler, "trials": 30}
    fields |= {"scheduler": "none"} if sampler == "random" else {"deterministic": True}
    one, two, five = (simulate(experiment(**fields), workers=n) for n in (1, 2, 5))
    assert rows(one) == rows(two) == rows(five)


def test_deterministic_stays_so_when_trials_raise_and_diverge() -> None:
    def mixed(cell: Cell) -> Iterator[Step]:
        if 0.4 < cell.params["x"] < 0.5 and cell.attempt == 1:
            raise ValueError("once")
        yield from half_diverging(cell)

    settled = experiment(seed=5, trials=40, deterministic=True, window=4)
    one, three = (simulate(settled, mixed, workers=n) for n in (1, 3))
    assert rows(one) == rows(three)
    assert any(record.attempt == 2 for record in one.records)


def test_tpe_stays_away_from_what_diverges() -> None:
    shares = []
    for seed in range(5):
        study = simulate(experiment(seed=seed, trials=60, scheduler="none"), half_diverging)
        late = [record.params["x"] > 0.5 for record in study.records[20:]]
        shares.append(sum(late) / len(late))
    assert max(shares) < 0.5
    assert sum(shares) / len(shares) < 0.3


def test_a_time_limit_ends_the_run_and_leaves_what_is_in_flight() -> None:
    study = simulate(experiment(trials=50, time_limit=30.0, scheduler="none"), workers=2)
    assert study.finished
    assert 0 < len(study.records) < 50


def test_the_best_trial_of_a_search_may_be_a_stopped_one_by_its_best_epoch() -> None:
    study = open_study(experiment(scheduler="asha_stopping", eta=2, value="best"))
    run_cell(study, [0.6] * 9)
    run_cell(study, [0.9] + [0.7] * 8)
    run_cell(study, [0.9, 0.5])
    assert study.records[2].state is State.STOPPED
    assert study.best() is study.records[1]
    assert (study.records[1].value, study.records[1].best_epoch) == (0.9, 1)
    assert SPACE["epochs"].high == study.records[0].epochs


@pytest.mark.parametrize("scheduler", ["asha", "asha_stopping", "rung_gp"])
def test_in_cv_epochs_are_a_schedulers_budget_and_a_stopped_trial_may_be_the_best(
    scheduler: str,
) -> None:
    def slow(cell: Cell) -> Iterator[Step]:
        top = 1.0 - (cell.params["x"] - 0.3) ** 2 + 0.01 * cell.fold
        for epoch in range(1, (cell.epochs or 0) + 1):
            yield Step(epoch, {"val_accuracy": top * (1 - 0.9**epoch)})

    space = {"x": Float(0, 1), "epochs": Int(1, 27)}
    fields = {"mode": "cv", "folds": 3, "sampler": "random", "space": space, "trials": 8}
    study = simulate(experiment(scheduler=scheduler, **fields), slow, workers=3)
    assert {record.params["epochs"] for record in study.records} == {27}
    best = study.best()
    assert best is not None
    assert best.value == max(r.value for r in study.records if r.value is not None)
    assert len(best.cells) == 3


@pytest.mark.parametrize("sampler", ["tpe", "random", "rung_gp"])
def test_a_point_that_was_tried_is_not_trained_again(sampler: str) -> None:
    """18 trials on a space of six points: six trainings, and each trial has its own row."""
    trained = []

    def curve(cell: Cell) -> Iterator[Step]:
        trained.append(cell.params)
        yield Step(1, {"val_accuracy": 0.1 * cell.params["a"] + 0.01 * cell.params["b"]})

    space = {"a": Categorical([1, 2]), "b": Categorical([1, 2, 3])}
    settled = experiment(space=space, trials=18, scheduler="none", sampler=sampler)
    study = simulate(settled, curve, workers=3)
    assert len(trained) <= 6
    assert len(study.records) == 18
    values = {tuple(record.params.values()): record.value for record in study.records}
    assert all(r.value == values[tuple(r.params.values())] for r in study.records)


@pytest.mark.parametrize(("rule", "value", "epoch"), [("best", 0.6, 2), ("last", 0.55, 3)])
def test_a_cv_value_is_of_one_epoch_for_all_folds(rule: str, value: float, epoch: int) -> None:
    """The best epoch of the mean over folds, though each fold alone has its best elsewhere."""
    folds = [[0.9, 0.6, 0.5], [0.1, 0.6, 0.6]]

    def curve(cell: Cell) -> Iterator[Step]:
        for at, reported in enumerate(folds[cell.fold], 1):
            yield Step(at, {"val_accuracy": reported})

    space = {"a": Categorical([1]), "epochs": 3}
    study = simulate(experiment(mode="cv", folds=2, space=space, value=rule), curve)
    (record,) = study.records
    assert record.value == pytest.approx(value)
    assert record.best_epoch == epoch


def test_what_a_function_returns_is_a_report_that_nothing_can_stop() -> None:
    study = open_study(experiment(scheduler="asha_stopping", eta=2, retries=0))
    for value in (0.9, 0.1):
        cell = study.ask()
        assert cell is not None
        study.tell(cell, Outcome(Ending.FINISHED, returned={"val_accuracy": value}))
    assert [(r.state, r.value, r.epochs) for r in study.records] == [
        (State.COMPLETE, 0.9, 1),
        (State.COMPLETE, 0.1, 1),
    ]


def test_a_timed_out_trial_fails_without_another_attempt() -> None:
    study = open_study(experiment(trials=1, retries=3))
    cell = study.ask()
    assert cell is not None
    study.tell(cell, Outcome(Ending.TIMED_OUT, "ran longer than 5 s"))
    assert study.finished
    assert (study.records[0].state, study.records[0].attempt) == (State.FAILED, 1)


EPOCHS_GRID = {"a": Categorical([1, 2]), "epochs": Int(1, 9, grid=[3, 9, 6])}


def declared(**fields: Any) -> KerasModel:
    return KerasModel(build=rising, optimizer=rising, **fields)  # type: ignore[arg-type]


def steps_to_the_last_epoch(cell: Cell) -> Iterator[Step]:
    assert cell.epochs is not None
    for epoch in range(1, cell.epochs + 1):
        yield Step(epoch, {"val_accuracy": cell.params["a"] + epoch / 10 + cell.fold})


@pytest.mark.parametrize("mode", ["grid", "cv"])
def test_points_that_differ_only_in_epochs_share_a_training(mode: str, tmp_path: Path) -> None:
    settled = experiment(space=EPOCHS_GRID, mode=mode, objective=declared())
    shared = simulate(settled, steps_to_the_last_epoch, folder=tmp_path, workers=2)
    plain = experiment(space=EPOCHS_GRID, mode=mode)
    alone = simulate(plain, steps_to_the_last_epoch, workers=2)
    assert rows(shared) == rows(alone)
    assert [r.shared_with for r in shared.records] == [1, None, 1, 4, None, 4]
    table = pd.read_parquet(tmp_path / "trials.parquet")
    assert table["shared_with"].isna().sum() == 2
    reports = pd.read_parquet(tmp_path / "reports.parquet")
    assert len(reports) == 36 * shared.cells
    assert not reports.duplicated(["trial", "fold", "epoch"]).any()


def test_followers_train_for_themselves_if_the_training_read_its_epochs() -> None:
    settled = experiment(space=EPOCHS_GRID, mode="grid", objective=declared())
    study = open_study(settled)
    ended = []
    while (cell := study.ask()) is not None:
        for step in steps_to_the_last_epoch(cell):
            study.report(cell, step.epoch, step.metrics, 0.0)
        study.tell(cell, Outcome(Ending.FINISHED, read_epochs=True))
        ended.append(cell.trial)
    assert sorted(ended) == [0, 1, 2, 3, 4, 5]
    assert all(record.shared_with is None for record in study.records)


@pytest.mark.parametrize("steps", [0, 4, 12, 17])
def test_a_killed_grid_over_epochs_ends_with_every_point_once(tmp_path: Path, steps: int) -> None:
    settled = experiment(space=EPOCHS_GRID, mode="grid", objective=declared())
    with pytest.raises(KeyboardInterrupt, match="killed"):
        simulate(settled, dying(steps_to_the_last_epoch, steps, KeyboardInterrupt), folder=tmp_path)
    study = simulate(settled, steps_to_the_last_epoch, folder=tmp_path)
    assert study.counts() == {State.COMPLETE: 6}
    assert len(pd.read_parquet(tmp_path / "reports.parquet")) == 36
    assert [r.value for r in study.records] == [1.3, 1.9, 1.6, 2.3, 2.9, 2.6]


def test_fold_racing_gives_no_more_folds_to_what_falls_behind() -> None:
    space = {"a": Categorical([3, 2, 1])}

    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": cell.params["a"] + 0.2 * cell.fold})

    for rule, cells in [("none", [4, 4, 4]), ("forgiving", [4, 1, 1]), ("aggressive", [4, 1, 1])]:
        settled = experiment(space=space, mode="cv", folds=4, fold_racing=rule)
        study = simulate(settled, curve)
        assert [len(record.cells) for record in study.records] == cells
    assert [r.state for r in study.records] == [State.COMPLETE, State.STOPPED, State.STOPPED]
    assert study.records[1].value == 2.2  # fold 1 is more typical than fold 0


def test_forgiving_racing_spares_what_aggressive_racing_stops() -> None:
    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": cell.params["a"] + (0.5 if cell.fold == 3 else 0.0)})

    states = {}
    for rule in ("forgiving", "aggressive"):
        space = {"a": Categorical([1.0, 0.9375])}
        settled = experiment(space=space, mode="cv", folds=4, fold_racing=rule)
        states[rule] = simulate(settled, curve).records[1].state
    assert states == {"forgiving": State.COMPLETE, "aggressive": State.STOPPED}


def test_racing_compares_equal_folds_so_that_a_hard_first_fold_stops_nobody() -> None:
    """Fold 0 is hard for every configuration; the second one is better on each fold."""

    def curve(cell: Cell) -> Iterator[Step]:
        yield Step(1, {"val_accuracy": cell.params["a"] + (-0.05, 0.0, 0.05)[cell.fold]})

    space = {"a": Categorical([0.9, 0.91, 0.89])}
    settled = experiment(space=space, mode="cv", folds=3, fold_racing="aggressive")
    study = simulate(settled, curve)
    assert [r.state for r in study.records] == [State.COMPLETE, State.COMPLETE, State.STOPPED]
    assert list(study.records[2].cells) == [1]  # not the hard fold


def test_a_death_counts_once_however_many_cells_of_a_trial_it_took() -> None:
    """One worker of the fused engine holds all folds of a trial: one death, or one raise."""
    study = open_study(experiment(mode="cv", space={"x": Categorical([1.0])}, dataset="digits"))
    for ending in (Ending.DIED, Ending.RAISED, Ending.DIED):
        cells = [study.ask() for _ in range(3)]
        assert study.ask() is None
        for cell in cells:
            assert cell is not None
            study.tell(cell, Outcome(ending, "gone"))
    assert study.records[0].attempt == 4
    assert not study.finished
    for cell in [study.ask() for _ in range(3)]:
        assert cell is not None
        study.tell(cell, Outcome(Ending.DIED, "gone"))
    assert study.records[0].state is State.FAILED


def test_a_trial_that_ends_paused_names_who_trained_it() -> None:
    study = open_study(experiment(trials=1))
    cell = study.ask()
    assert cell is not None
    by = By("10.0.0.1", "fit", "it runs eagerly", "41", setup_s=0.25)
    assert study.report(cell, 1, {"val_accuracy": 0.5}, 1.0, by) is Decision.PAUSE
    (record,) = study.records
    assert record.state is State.STOPPED
    assert (record.host, record.trained_by, record.trained_why, record.worker) == by[:4]
    assert (record.setup_s, record.trace_s, record.train_s) == (0.25, None, 0.75)


@pytest.mark.parametrize("ending", [Ending.FINISHED, Ending.DIED])
def test_a_trials_seconds_are_told_apart_as_far_as_they_are_known(ending: Ending) -> None:
    clock = VirtualClock()
    study = open_study(experiment(scheduler="none", retries=0), clock=clock)
    cell = study.ask()
    assert cell is not None
    by = By("10.0.0.1", "program", worker="41", setup_s=1.0, trace_s=0.5)
    for epoch, clock.now in ((1, 7.0), (2, 8.0)):
        study.report(cell, epoch, {"val_accuracy": 0.5}, clock.now - 4.0, by)
    clock.now = 10.0
    study.tell(cell, Outcome(ending, duration_s=6.0))
    kept = CellResult.from_json(study.ledger.attempts()[0].user_attrs["fold:0"])
    assert (kept.waited_s, kept.setup_s, kept.trace_s, kept.train_s) == (4.0, 1.0, 0.5, 2.5)
    assert (kept.host, kept.worker) == ("10.0.0.1", "41")
    assert kept.duration_s == 6.0


def test_a_trial_of_folds_has_the_sum_of_their_seconds() -> None:
    space = {"x": Categorical([1.0]), "epochs": 3}
    cv = experiment(mode="cv", folds=2, space=space, dataset="digits")
    (record,) = simulate(cv, rising).records
    assert (record.train_s, record.waited_s, record.setup_s) == (2 * 3.0, 0.0, None)


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (Verdict(Decision.CONTINUE, 0), "scheduler _Answers judged at rung 0, and a rung is an"),
        (Verdict(Decision.CONTINUE, "two"), "judged at rung 'two'"),  # type: ignore[arg-type]
        (Verdict(Decision.STOP, 2, 5), "gave the reason 5, and it is a text"),  # type: ignore[arg-type]
    ],
)
def test_a_verdict_that_breaks_the_contract_names_its_scheduler(
    verdict: Verdict, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        simulate(experiment(scheduler=_Answers(verdict), trials=2))


def test_a_rung_may_be_a_number_of_numpys(tmp_path: Path) -> None:
    rung: Any = np.int64(1)
    scheduler = _Answers(Verdict(Decision.STOP, rung))
    study = simulate(experiment(scheduler=scheduler, trials=2), folder=tmp_path)
    assert [record.state for record in study.records] == [State.STOPPED] * 2


@dataclass(frozen=True)
class _Answers:
    """Says the same of every report."""

    verdict: Verdict
    has_rungs: ClassVar[bool] = True
    pauses: ClassVar[bool] = False

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Verdict:
        return self.verdict

"""Population-based training: who is replaced, from whose weights, and with what parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.brain import experiment, never, open_study, simulate
from tuner.engines.simulated import Step
from tuner.errors import ExperimentError
from tuner.experiment.experiment import KerasModel
from tuner.experiment.loading import Loaded, Source
from tuner.schedulers.contract import Successor
from tuner.schedulers.pbt import Pbt
from tuner.search_space.axes import Categorical, Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.layout import TRIALS_FILE
from tuner.store.resume_checks import resumed
from tuner.store.schedules import lineage_of
from tuner.store.study_json import describe
from tuner.study.lineage import schedule_of
from tuner.testing.schedulers import Judged
from tuner.trial.cells import Cell, CellKey, Decision, State

SPACE = SearchSpace({"x": Float(0.0, 1.0), "epochs": 9})
DECLARED = KerasModel(build=never, optimizer=never)


def population(**options: Any) -> Judged:
    return Judged(Pbt(**{"members": 8, "interval": 3, "space": SPACE, "seed": 5, **options}))


def next_of(judged: Judged) -> Successor | None:
    scheduler = judged.scheduler
    assert isinstance(scheduler, Pbt)
    return scheduler.succeed(judged.board)


def promoted(judged: Judged) -> int | None:
    scheduler = judged.scheduler
    assert isinstance(scheduler, Pbt)
    return scheduler.promote(judged.board)


def test_all_pause_at_the_interval_and_wait_until_the_last_one_stands_there() -> None:
    judged = population()
    assert set(judged.reports(map(float, range(8)), epoch=2)) == {Decision.CONTINUE}
    assert set(judged.reports(map(float, range(7)), epoch=3)) == {Decision.PAUSE}
    assert next_of(judged) is None
    assert promoted(judged) is None
    judged.reports([7.0], first=7, epoch=3)
    assert next_of(judged) is not None
    assert promoted(judged) is None  # first those who are replaced


def test_the_worst_quarter_is_replaced_from_the_best_quarter_and_then_all_go_on() -> None:
    judged = population()
    judged.reports(map(float, range(8)), epoch=3)
    replaced = []
    while (one := next_of(judged)) is not None:
        assert next_of(judged) == one
        assert one.parent in {0, 1}
        assert one.epoch == 3
        assert one.params != judged.board.params(one.parent)
        number = len(judged.board.trials)
        said = f"{'78'[7 - one.replaces == 0]}th of 8"
        assert one.why == f"epoch 3: {said}; trial {number} goes on from trial {one.parent}"
        judged.board.enter(number, one.params, one.epoch, one.replaces)
        judged.board.end(one.replaces)
        replaced.append(one.replaces)
    assert replaced == [6, 7]
    going = []
    while (trial := promoted(judged)) is not None:
        judged.board.go_on(trial)
        assert next_of(judged) is None
        going.append(trial)
    assert going == [0, 1, 2, 3, 4, 5]


def test_those_that_diverged_are_the_first_to_be_replaced() -> None:
    judged = population()
    judged.reports(map(float, range(8)), epoch=1)
    for trial in (0, 2, 5):
        judged.board.diverge(trial)
        judged.board.end(trial)
    for trial in (1, 3, 4, 6, 7):
        judged.report(trial, 0, 3, float(trial))
    replaced = []
    while (one := next_of(judged)) is not None:
        judged.board.enter(len(judged.board.trials), one.params, one.epoch, one.replaces)
        replaced.append((one.replaces, one.parent in {1, 3}))
    assert replaced == [(0, True), (2, True), (5, True)]


def test_a_trial_that_failed_is_waited_for_no_more() -> None:
    judged = population()
    judged.reports(map(float, range(7)), epoch=3)
    judged.board.enter(7, {"x": 0.5})
    assert next_of(judged) is None
    judged.board.end(7)
    one = next_of(judged)
    assert one is not None
    assert one.replaces == 6


def inherited(cell: Cell) -> Iterator[Step]:
    """Each epoch adds as much as the x of who trains it is near 0.7: others' epochs count too."""
    kin, value = cell.kin, 0.0
    assert kin is not None
    for epoch in range(1, (cell.epochs or 9) + 1):
        x = next((s.params["x"] for s in kin.schedule if epoch <= s.until), cell.params["x"])
        value += 1.0 - abs(x - 0.7)
        yield Step(epoch, {"val_accuracy": value / 9 if x < 0.95 else math.nan})


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_population_is_the_same_at_any_concurrency(deterministic: bool) -> None:
    fields = {"scheduler": "pbt", "sampler": "random", "objective": DECLARED, "window": 3}
    settled = experiment(trials=10, interval=2, deterministic=deterministic, seed=3, **fields)
    rows = [
        [
            (r.trial, r.params, r.state, r.value, r.epochs, r.parent, r.why)
            for r in simulate(settled, inherited, workers=workers).records
        ]
        for workers in (1, 4)
    ]
    assert rows[0] == rows[1]


def test_a_population_betters_itself_and_its_tables_say_how(tmp_path: Path) -> None:
    same = {"seed": 0, "sampler": "random"}
    settled = experiment(scheduler="pbt", members=8, interval=2, objective=DECLARED, **same)
    assert settled.trials == 8
    study = simulate(settled, inherited, folder=tmp_path, workers=3)
    best = study.best()
    assert best is not None
    assert best.parent is not None
    assert study.counts()[State.RUNNING] == 0
    alone = simulate(experiment(scheduler="none", trials=8, **same), _alone)
    lone = alone.best()
    assert lone is not None
    assert best.value is not None
    assert lone.value is not None
    assert best.value > lone.value
    table = pd.read_parquet(tmp_path / TRIALS_FILE).set_index("trial")
    children = table[table["parent"].notna()]
    assert (children["from_epoch"] % 2 == 0).all()
    assert (table["epochs"] + table["from_epoch"]).max() == 9
    replaced = table[table["why"] != ""]
    assert set(replaced["state"]) <= {"STOPPED", "DIVERGED"}
    assert len(replaced) == len(children)
    assert replaced["why"].str.contains(r"epoch \d: .*; trial \d+ goes on from trial \d+").all()
    segments = schedule_of(study.records, best)
    assert [s.until for s in segments] == sorted({s.until for s in segments})
    assert segments[-1].until == best.born


def _alone(cell: Cell) -> Iterator[Step]:
    for epoch in range(1, 10):
        value = epoch * (1.0 - abs(cell.params["x"] - 0.7)) / 9
        yield Step(epoch, {"val_accuracy": value if cell.params["x"] < 0.95 else math.nan})


def test_a_successor_that_fails_goes_on_from_its_parent_again() -> None:
    tried: list[tuple[int, int]] = []

    def failing(cell: Cell) -> Iterator[Step]:
        for step in inherited(cell):
            if cell.trial >= 8 and cell.attempt == 1 and step.epoch == cell.start + 2:
                raise ValueError("a bad day")
            yield step
        tried.append((cell.trial, cell.start))

    settled = experiment(
        scheduler="pbt", members=8, sampler="random", interval=3, objective=DECLARED, epochs=9
    )
    study = simulate(settled, failing, workers=2)
    again = [record for record in study.records if record.attempt == 2]
    assert again
    assert all(record.state is not State.FAILED for record in again)
    assert all(min(record.curves[0]) == record.born + 1 for record in again)
    assert tried


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"mode": "grid", "space": {"x": Categorical([1, 2]), "epochs": 9}}, "mode 'grid'"),
        ({"mode": "cv", "sampler": "random"}, "mode 'cv' trains the points"),
        ({"objective": never}, "by a function of its own"),
        ({"objective": KerasModel(never, never, callbacks=lambda trial: [])}, "own callbacks"),
        ({"repeats": 2}, "a trial has 2"),
        ({"confirm": 2}, "drop `confirm`"),
        ({"stop": "converged"}, "`stop` is 'converged'"),
        ({"members": 8, "trials": 12}, "not 12"),
        ({"metric": ["val_accuracy", "loss"], "direction": ["maximize", "minimize"]}, "one metric"),
        ({"interval": 9}, "9 epochs leave nothing to go on with"),
        ({"explore": ["y"]}, "'y' is not an axis that can be explored; there are: x"),
        ({"explore": 3}, "3 is not a list of axes"),
        ({"space": {"x": 1, "epochs": Int(1, 9)}}, "nothing to explore"),
        ({"scheduler": Pbt(share=0.7)}, "share 0.7"),
        ({"scheduler": Pbt(members=1)}, "at least 2"),
    ],
)
def test_what_cannot_be_a_population_is_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ExperimentError) as raised:
        open_study(experiment(**{"scheduler": "pbt", "objective": DECLARED, **fields}))
    assert match in str(raised.value)


def test_nobody_has_kin_under_another_scheduler() -> None:
    def alone(cell: Cell) -> Iterator[Step]:
        assert cell.kin is None
        yield Step(1, {"val_accuracy": 0.5})

    study = simulate(experiment(scheduler="none", trials=2), alone)
    assert CellKey(0, 0) not in study.open


def test_a_population_is_not_resumed_with_other_members() -> None:
    settled = experiment(scheduler="pbt", members=8, objective=DECLARED)
    loaded = Loaded(settled, Source("object", "tests"))
    kept = describe(loaded, settled, None, name="brain")
    assert resumed(loaded, kept, {"trials": 8}).trials == 8
    for trials in (4, 16):
        with pytest.raises(ExperimentError, match=f"began with 8 members, and {trials} would be"):
            resumed(loaded, kept, {"trials": trials})


def test_a_member_that_failed_is_trained_again_by_a_resume_and_replaces_nobody(
    tmp_path: Path,
) -> None:
    fixed = False

    def failing(cell: Cell) -> Iterator[Step]:
        for step in inherited(cell):
            if not fixed and cell.trial in (2, 8) and step.epoch == cell.start + 2:
                raise ValueError("a bad day")
            yield step

    settled = experiment(
        scheduler="pbt", members=8, sampler="random", objective=DECLARED, epochs=9, seed=3
    )
    before = simulate(settled, failing, folder=tmp_path, workers=2)
    assert before.counts()[State.FAILED] == 2
    fixed = True
    after = simulate(settled, failing, folder=tmp_path, workers=2)
    assert after.counts()[State.FAILED] == 0
    assert [r.parent for r in after.records] == [r.parent for r in before.records]
    assert [min(after.records[trial].curves[0]) for trial in (2, 8)] == [1, 4]


def test_a_line_says_who_came_from_whom(tmp_path: Path) -> None:
    fields = {"members": 8, "sampler": "random", "objective": DECLARED, "epochs": 9, "seed": 3}
    simulate(experiment(scheduler="pbt", **fields), inherited, folder=tmp_path, workers=2)
    trials = pd.read_parquet(tmp_path / TRIALS_FILE)
    child = trials[trials["from_epoch"] == 6].iloc[0]
    parent = int(child["parent"])
    chain = f"{parent} (epochs 1 to 6) > {child['trial']} (epochs 7 to 9)"
    assert lineage_of(trials, int(child["trial"])) == chain
    assert f"{child['trial']} after epoch 6" in lineage_of(trials, parent)
    alone = [t for t in trials["trial"] if not lineage_of(trials, int(t))]
    assert alone
    assert not trials["parent"].isin(alone).any()
    assert lineage_of(trials.drop(columns="parent"), parent) == ""

"""Every scheduler of ours passes the suite that authors get, and what each has of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.brain import experiment, open_study, rising, simulate
from tuner.errors import ExperimentError, StudyError
from tuner.schedulers.asha import Asha
from tuner.schedulers.board import Board
from tuner.schedulers.contract import Scheduler
from tuner.schedulers.hyperband import Hyperband
from tuner.schedulers.median import Median
from tuner.schedulers.registry import SCHEDULERS, make_scheduler
from tuner.search_space.axes import Float
from tuner.testing.schedulers import Judged, SchedulerSuite
from tuner.testing.simulation import simulate as simulate_with
from tuner.testing.simulation import simulated
from tuner.trial.cells import Cell, Decision, State

ENDING = [name for name in SCHEDULERS.ours if name not in ("none", "pbt")]


def made(name: str, *, min_epochs: int = 1) -> Scheduler:
    return make_scheduler(name, {"eta": 2, "min_epochs": min_epochs}, 9)


class TestOurs(SchedulerSuite):
    @pytest.fixture(params=list(SCHEDULERS.ours))
    def scheduler(self, request: pytest.FixtureRequest) -> Scheduler:
        return made(request.param)


@pytest.mark.parametrize("name", ENDING)
def test_most_of_the_bad_are_stopped(name: str) -> None:
    study = simulate(experiment(scheduler=name, eta=2, trials=40, sampler="random"), rising)
    counts = study.counts()
    assert counts[State.STOPPED] >= 10
    assert counts[State.COMPLETE] >= 1
    values: dict[State, list[float]] = {state: [] for state in State}
    for record in study.records:
        values[record.state].append(abs(record.params["x"] - 0.3))
    mean = {state: sum(v) / len(v) for state, v in values.items() if v}
    assert mean[State.COMPLETE] < mean[State.STOPPED]


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize(("trials", "reach_the_end"), [(1, 1), (2, 1), (8, 1), (26, 1), (54, 2)])
def test_the_default_trains_its_leader_to_the_end_however_few_the_trials_are(
    trials: int, reach_the_end: int, deterministic: bool
) -> None:
    settled = simulated(
        space={"x": Float(0.0, 1.0), "epochs": 27}, trials=trials, scheduler="rung_gp",
        deterministic=deterministic,
    )  # fmt: skip
    study = simulate_with(settled, curve=rising, workers=4)
    counts = study.counts()
    assert (counts[State.COMPLETE], counts[State.STOPPED]) == (
        reach_the_end,
        trials - reach_the_end,
    )
    best = study.best()
    assert best is not None
    assert best.state is State.COMPLETE
    assert best.params == min(
        (record.params for record in study.records), key=lambda params: abs(params["x"] - 0.3)
    )


@pytest.mark.parametrize("name", ENDING)
def test_nobody_is_stopped_before_min_epochs(name: str) -> None:
    judged = Judged(made(name, min_epochs=4))
    for trial in range(30):
        for epoch in (1, 2, 3):
            assert judged.report(trial, 0, epoch, float(trial)).decision is Decision.CONTINUE


def test_median_compares_the_best_so_far_with_the_median_of_running_averages() -> None:
    median = Judged(Median(min_epochs=1))
    for trial, loss in enumerate([0.1, 0.2, 0.3]):
        median.report(trial, 0, 1, loss, 9)
    assert median.report(3, 0, 1, 0.2, 9).decision is Decision.CONTINUE
    verdict = median.report(4, 0, 1, 0.21, 9)
    assert verdict.decision is Decision.STOP
    assert verdict.why == "epoch 1: loss 0.21 at best, and the median is 0.2"


def test_hyperband_gives_brackets_their_shares_by_number_alone() -> None:
    hyperband = Hyperband(eta=3, min_epochs=1, last_epoch=27)
    counts = Counter(hyperband.bracket(trial) for trial in range(1000))
    assert [counts[s] for s in range(4)] == pytest.approx([551, 245, 122, 82], abs=5)
    first_rungs: dict[int, int] = {}
    judged = Judged(hyperband)
    for trial in range(50):
        for epoch in range(1, 28):
            if judged.report(trial, 0, epoch, 0.0, 27).rung:
                first_rungs.setdefault(hyperband.bracket(trial), epoch)
                break
    assert first_rungs == {0: 1, 1: 3, 2: 9}  # the fourth, which begins at 27, has no rung


def test_hyperband_needs_a_last_epoch() -> None:
    with pytest.raises(ExperimentError, match=r"nothing says it"):
        open_study(experiment(scheduler="hyperband", space={"x": Float(0, 1)}))


losses = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(losses, st.integers(2, 5))
def test_asha_promotes_exactly_the_best_share_of_a_rung_the_best_first(
    values: list[float], eta: int
) -> None:
    judged = Judged(Asha(eta))
    assert set(judged.reports(values)) == {Decision.PAUSE}
    promoted = []
    while (trial := judged.scheduler.promote(judged.board)) is not None:  # type: ignore[attr-defined]
        judged.board.go_on(trial)
        promoted.append(trial)
    ranked = sorted(range(len(values)), key=lambda trial: (values[trial], trial))
    assert promoted == ranked[: len(values) // eta]


def test_asha_looks_at_the_highest_rung_first() -> None:
    judged = Judged(Asha(eta=2))
    judged.reports([0.1, 0.2, 0.3, 0.4])
    for trial in (0, 1):
        judged.board.go_on(trial)
        judged.report(trial, 0, 2, 0.1 + trial)
    judged.reports([0.05], first=4)
    assert Asha(eta=2).promote(judged.board) == 0
    judged.board.go_on(0)
    assert Asha(eta=2).promote(judged.board) == 4


def test_in_a_cross_validation_asha_ranks_trials_by_their_mean_over_all_folds() -> None:
    judged = Judged(Asha(eta=2), folds=2)
    for trial, (one, two) in enumerate([(0.0, 9.0), (2.0, 2.0)]):
        judged.report(trial, 0, 1, one)
        judged.report(trial, 1, 1, two)
        judged.board.pause(trial, 1)
    assert Asha(eta=2).promote(judged.board) == 1


@dataclass(frozen=True)
class Odd:
    answer: Any
    has_rungs: ClassVar[bool] = False
    pauses: ClassVar[bool] = False

    def judge(self, cell: Cell, epoch: int, loss: float, board: Board) -> Any:
        return self.answer


@pytest.mark.parametrize("answer", ["STOP", None, Decision.STOP])
def test_an_answer_that_is_not_a_verdict_is_an_error_that_names_the_class(answer: Any) -> None:
    with pytest.raises(StudyError, match=r"scheduler Odd answered .*answers with a Verdict"):
        simulate_with(simulated(), scheduler=Odd(answer))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (object(), r"has no method judge\(cell, epoch, loss, board\)"),
        (type("Waits", (Odd,), {"pauses": True})(None), r"Waits says that it pauses"),
    ],
)
def test_what_cannot_be_a_scheduler_is_refused(given: Any, match: str) -> None:
    with pytest.raises(ExperimentError, match=match):
        make_scheduler(given, {}, 9)

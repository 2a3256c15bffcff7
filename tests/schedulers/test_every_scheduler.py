"""One suite that every scheduler passes, and what median and hyperband have of their own."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.brain import experiment, half_diverging, open_study, rising, simulate
from tuner.errors import ExperimentError
from tuner.experiment.experiment import SCHEDULERS
from tuner.schedulers.contract import Scheduler
from tuner.schedulers.hyperband import Hyperband
from tuner.schedulers.median import Median
from tuner.schedulers.registry import make_scheduler
from tuner.search_space.axes import Float
from tuner.trial.cells import Decision, State

STOPPING = [name for name in SCHEDULERS if name != "none"]
ALL = list(SCHEDULERS)


def made(name: str, **fields: object) -> Scheduler:
    return make_scheduler(experiment(scheduler=name, eta=2, **fields))


def decisions(scheduler: Scheduler, losses: list[float], epoch: int = 1) -> list[Decision]:
    return [
        scheduler.report(trial, 0, epoch, loss, 9).decision for trial, loss in enumerate(losses)
    ]


@pytest.mark.parametrize("name", ALL)
def test_the_best_so_far_is_never_stopped(name: str) -> None:
    falling = [1.0 - trial / 100 for trial in range(40)]
    assert set(decisions(made(name), falling)) == {Decision.CONTINUE}


@pytest.mark.parametrize("name", STOPPING)
def test_most_of_the_bad_are_stopped(name: str) -> None:
    study = simulate(experiment(scheduler=name, eta=2, trials=40, sampler="random"), rising)
    counts = study.counts()
    assert counts[State.STOPPED] >= 10
    assert counts[State.COMPLETE] >= 1
    values = {state: [] for state in State}
    for record in study.records:
        values[record.state].append(abs(record.params["x"] - 0.3))
    mean = {state: sum(v) / len(v) for state, v in values.items() if v}
    assert mean[State.COMPLETE] < mean[State.STOPPED]


@pytest.mark.parametrize("name", ALL)
def test_nobody_is_stopped_at_the_last_epoch(name: str) -> None:
    scheduler = made(name)
    for trial in range(30):
        assert scheduler.report(trial, 0, 9, float(trial), 9).decision is Decision.CONTINUE


@pytest.mark.parametrize("name", STOPPING)
def test_nobody_is_stopped_before_min_epochs(name: str) -> None:
    scheduler = made(name, min_epochs=4)
    for trial in range(30):
        for epoch in (1, 2, 3):
            assert scheduler.report(trial, 0, epoch, float(trial), 9).decision is Decision.CONTINUE


@pytest.mark.parametrize("name", STOPPING)
def test_within_a_window_only_earlier_windows_count(name: str) -> None:
    scheduler = made(name, deterministic=True)
    rising_losses = [float(trial) for trial in range(20)]
    assert set(decisions(scheduler, rising_losses)) == {Decision.CONTINUE}
    scheduler.close_window()
    late = [scheduler.report(100 + t, 0, 1, 99.0, 9).decision for t in range(20)]
    assert Decision.STOP in late


@pytest.mark.parametrize("name", STOPPING)
def test_what_is_withdrawn_counts_no_more(name: str) -> None:
    scheduler = made(name)
    decisions(scheduler, [float(trial) for trial in range(20)])
    for trial in range(20):
        scheduler.withdraw(trial, 0)
    assert scheduler.report(0, 0, 1, 99.0, 9).decision is Decision.CONTINUE


@pytest.mark.parametrize("name", ALL)
def test_a_study_under_it_is_the_same_at_any_concurrency_when_deterministic(name: str) -> None:
    settled = experiment(scheduler=name, eta=2, trials=24, deterministic=True, seed=2)
    one, four = (simulate(settled, half_diverging, workers=n) for n in (1, 4))
    assert [(r.state, r.value) for r in one.records] == [(r.state, r.value) for r in four.records]


def test_median_compares_the_best_so_far_with_the_median_of_running_averages() -> None:
    median = Median(min_epochs=1)
    for trial, loss in enumerate([0.1, 0.2, 0.3]):
        median.report(trial, 0, 1, loss, 9)
    assert median.report(3, 0, 1, 0.2, 9).decision is Decision.CONTINUE
    assert median.report(4, 0, 1, 0.21, 9).decision is Decision.STOP


def test_hyperband_gives_brackets_their_shares_by_number_alone() -> None:
    hyperband = Hyperband(eta=3, min_epochs=1, last_epoch=27)
    counts = Counter(hyperband.bracket(trial) for trial in range(1000))
    assert [counts[s] for s in range(3)] == pytest.approx([529, 294, 176], abs=5)
    first_rungs = {}
    for trial in range(50):
        for epoch in range(1, 28):
            if hyperband.report(trial, 0, epoch, 0.0, 27).rung:
                first_rungs.setdefault(hyperband.bracket(trial), epoch)
                break
    assert first_rungs == {0: 1, 1: 3, 2: 9}


def test_hyperband_needs_a_last_epoch() -> None:
    with pytest.raises(ExperimentError, match=r"nothing says it; give `epochs`"):
        open_study(experiment(scheduler="hyperband", space={"x": Float(0, 1)}))

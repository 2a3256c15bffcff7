"""What every scheduler promises, a test each: inherit them, and give a fixture.

class TestMine(SchedulerSuite):
    @pytest.fixture
    def scheduler(self) -> Scheduler:
        return Mine()
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from tuner.schedulers.board import Board
from tuner.schedulers.contract import Finishing, Pausing, Scheduler, Verdict
from tuner.study.study import Study
from tuner.testing.curves import diverging, noisy, raising, rising
from tuner.testing.simulation import simulate, simulated
from tuner.trial.cells import Cell, CellKey, Decision, State

LAST = 9


class Judged:
    """A scheduler and its board, kept as a study keeps it."""

    def __init__(self, scheduler: Any, *, folds: int = 1, windowed: bool = False) -> None:
        self.scheduler: Scheduler = scheduler
        self.board = Board(folds=folds, windowed=windowed)

    def report(
        self, trial: int, fold: int, epoch: int, loss: float, last_epoch: int | None = LAST
    ) -> Verdict:
        """Judge a report, and note it."""
        cell = Cell(trial, 1, fold, {"x": trial / 100}, 0, last_epoch)
        self.board.enter(trial, cell.params)
        verdict = self.scheduler.judge(cell, epoch, loss, self.board)
        self.board.note(cell.key, epoch, loss, verdict.rung)
        if verdict.decision is Decision.PAUSE and self.board.folds == 1:
            self.board.pause(trial, verdict.rung or epoch)
        return verdict

    def reports(self, losses: Iterable[float], first: int = 0, epoch: int = 1) -> list[Decision]:
        """Judge a report each of several trials."""
        return [
            self.report(trial, 0, epoch, loss).decision for trial, loss in enumerate(losses, first)
        ]

    def withdraw(self, trial: int, fold: int) -> None:
        """Forget a cell's reports."""
        self.board.withdraw(CellKey(trial, fold))


class SchedulerSuite:
    """Promises of a scheduler; needs a fixture `scheduler`, for trials of at most 9 epochs."""

    def test_it_answers_with_a_verdict_that_says_why_it_ends_or_pauses(
        self, scheduler: Scheduler
    ) -> None:
        judged = Judged(scheduler)
        for epoch in (1, 2, 3):
            for trial in range(12):
                verdict = judged.report(trial, 0, epoch, float(trial))
                assert isinstance(verdict, Verdict), f"judge answered {verdict!r}: not a Verdict"
                assert isinstance(verdict.decision, Decision), f"{verdict!r} holds no Decision"
                said = verdict.decision is Decision.CONTINUE or verdict.why
                assert said, f"{verdict.decision} at epoch {epoch} without a why"

    def test_it_says_what_it_is(self, scheduler: Scheduler) -> None:
        assert isinstance(scheduler.has_rungs, bool), "has_rungs says whether verdicts name rungs"
        assert isinstance(scheduler.pauses, bool), "pauses says whether it answers PAUSE"
        assert scheduler.pauses == isinstance(scheduler, Pausing), "who pauses has promote(board)"

    def test_it_is_pure(self, scheduler: Scheduler) -> None:
        judged = Judged(scheduler)
        judged.reports([0.5, 0.3, 0.9, 0.1, 0.7])
        cell = Cell(9, 1, 0, {"x": 0.5}, 0, LAST)
        board, before = judged.board, copy.deepcopy(vars(judged.board))
        first = scheduler.judge(cell, 1, 0.6, board)
        assert scheduler.judge(cell, 1, 0.6, board) == first, "a second answer differs"
        assert scheduler.judge(cell, 1, 0.6, copy.deepcopy(board)) == first, "it remembers"
        if isinstance(scheduler, Pausing):
            assert scheduler.promote(board) == scheduler.promote(board), "promote remembers"
        if isinstance(scheduler, Finishing):
            assert scheduler.finish(board) == scheduler.finish(board), "finish remembers"
        assert vars(board) == before, "it changed the board"

    def test_the_best_so_far_is_never_stopped(self, scheduler: Scheduler) -> None:
        falling = [1.0 - trial / 100 for trial in range(40)]
        assert Decision.STOP not in Judged(scheduler).reports(falling)

    def test_nobody_is_stopped_or_paused_at_the_last_epoch(self, scheduler: Scheduler) -> None:
        decisions = Judged(scheduler).reports(map(float, range(30)), epoch=LAST)
        assert set(decisions) == {Decision.CONTINUE}

    def test_in_a_window_no_order_of_arrivals_changes_a_decision(
        self, scheduler: Scheduler
    ) -> None:
        losses = [float((7 * trial) % 10) for trial in range(10)]

        def decided(arrivals: list[int]) -> dict[int, Verdict]:
            judged = Judged(scheduler, windowed=True)
            judged.reports([3.0, 5.0, 7.0, 1.0], first=100)
            judged.board.close_window()
            return {t: judged.report(t, 0, 1, losses[t]) for t in arrivals}

        assert decided(list(range(10))) == decided(list(reversed(range(10))))

    def test_what_is_withdrawn_counts_no_more(self, scheduler: Scheduler) -> None:
        judged, fresh = Judged(scheduler), Judged(scheduler)
        judged.reports(map(float, range(20)))
        for trial in range(20):
            judged.withdraw(trial, 0)
        assert judged.report(30, 0, 1, 99.0) == fresh.report(30, 0, 1, 99.0)

    def test_only_paused_trials_are_promoted(self, scheduler: Scheduler) -> None:
        if not isinstance(scheduler, Pausing):
            return
        judged = Judged(scheduler)
        assert scheduler.promote(judged.board) is None, "it promotes where nobody is paused"
        judged.reports(map(float, range(12)))
        while (trial := scheduler.promote(judged.board)) is not None:
            assert trial in judged.board.paused, f"trial {trial} is not paused"
            judged.board.go_on(trial)

    def test_a_study_ends_with_every_trial_ended(self, scheduler: Scheduler) -> None:
        curve = raising(diverging(noisy(rising), share=0.3, at=2))
        study = simulate(simulated(trials=30), curve, workers=3, scheduler=scheduler)
        assert study.finished
        assert study.counts()[State.RUNNING] == 0
        assert study.counts()[State.COMPLETE] + study.counts()[State.STOPPED] > 10

    def test_a_study_is_the_same_at_any_concurrency_when_deterministic(
        self, scheduler: Scheduler
    ) -> None:
        settled = simulated(deterministic=True, seed=2)
        curve = raising(diverging(noisy(rising), share=0.3, at=2))
        one, four = (simulate(settled, curve, workers=n, scheduler=scheduler) for n in (1, 4))
        assert _rows(one) == _rows(four)

    def test_folds_change_nothing_at_any_concurrency_when_deterministic(
        self, scheduler: Scheduler
    ) -> None:
        fields = {"mode": "cv", "folds": 3, "scheduler": "asha_stopping", "sampler": "random"}
        settled = simulated(**fields, deterministic=True, trials=12, dataset="digits", epochs=9)
        curve = diverging(noisy(rising, by=0.1), share=0.3, at=3)
        one, four = (simulate(settled, curve, workers=n, scheduler=scheduler) for n in (1, 4))
        assert _rows(one) == _rows(four)


def _rows(study: Study) -> list[tuple[Any, ...]]:
    return [(r.trial, r.params, r.state, r.value, r.epochs, r.rung) for r in study.records]

"""What a live study does where a slot is free: a new trial, or one that was paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.schedulers.contract import Pausing
from tuner.study import attempts
from tuner.study.entries import Opened, Promoted
from tuner.study.judging import promotable
from tuner.trial.cells import State

if TYPE_CHECKING:
    from tuner.study.study import Study


def propose(study: Study, number: int) -> None:
    """Open a trial at a point of the grid's, the user's or the sampler's, which may think long."""
    twin, known = study.followers.twin, study.followers.points
    attempt_id, params = study.proposals.propose(
        number, lambda point: twin(point) is not None, known
    )
    with study.held():
        leader = twin(params)
        if leader is not None and study.records[leader].state is State.FAILED:
            leader = None
        if leader is not None:
            study.ledger.keep(attempt_id, "leader", leader)
        if study.windowed:
            study.ledger.keep(attempt_id, "windows", [study.windows])
        study.apply(Opened(number, 1, attempt_id, params, study.windows, leader))
        if leader is not None:
            attempts.share_with(study, study.records[leader], study.records[number])


def promote(study: Study) -> bool:
    """Let paused trials go on: the one that may, or as many as the window has room for."""
    if not isinstance(study.scheduler, Pausing):
        return False
    room = study.experiment.window - len(study.window) if study.windowed else 1
    promoted = 0
    while promoted < room and (number := promotable(study)) is not None:
        record = study.records[number]
        if study.windowed:
            study.ledger.keep(record.attempt_id, "windows", [*record.windows, study.windows])
        study.apply(Promoted(number, study.windows))
        promoted += 1
    return promoted > 0

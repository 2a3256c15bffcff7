"""What a live study does for a scheduler that begins trials of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuner.errors import StudyError
from tuner.schedulers.contract import Populating, Successor
from tuner.search_space.explore import elsewhere
from tuner.study import attempts
from tuner.study.entries import Opened
from tuner.study.lineage import Parent, schedule_of
from tuner.trial.cells import Cell, Kin

if TYPE_CHECKING:
    from tuner.study.study import Study


def renew(study: Study) -> None:
    """Begin the trials that are due, and end those in whose place they are."""
    scheduler = study.scheduler
    if not isinstance(scheduler, Populating):
        return
    while (successor := scheduler.succeed(study.board)) is not None:
        _begin(study, successor)
    for trial in sorted(study.board.paused.keys() & study.board.replaced.keys()):
        attempts.end_paused(study, study.records[trial])


def _begin(study: Study, successor: Successor) -> None:
    number, params = len(study.records), dict(successor.params)
    if successor.replaces in study.board.replaced or successor.parent >= number:
        raise StudyError(
            f"scheduler {type(study.scheduler).__name__} answered {successor!r:.200}, and succeed "
            "answers with a trial in the place of one that has no other, or None"
        )
    parent = Parent(successor.parent, successor.epoch, successor.replaces, successor.why)
    attrs = {"trial": number, "attempt": 1, "parent": parent.as_json()}
    if study.windowed:
        attrs["windows"] = [study.windows]
    attempt_id = study.ledger.open(study.space, params, attrs)
    study.apply(Opened(number, 1, attempt_id, params, study.windows, parent=parent))


def with_kin(study: Study, cell: Cell) -> Cell:
    """A cell that is given out, told of its population."""
    scheduler = study.scheduler
    if not isinstance(scheduler, Populating):
        return cell
    explored = scheduler.axes(study.space)
    kin = Kin(
        schedule_of(study.records, study.records[cell.trial]),
        scheduler.interval,
        explored,
        elsewhere(study.space, cell.params, explored),
    )
    return replace(cell, kin=kin)

"""What the scheduler is asked, and that its answer is one.

A scheduler is anybody's code: an answer that breaks its contract ends the run with a StudyError
that names its class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.schedulers.contract import GO_ON, Pausing, Verdict
from tuner.study.running_cell import OpenCell
from tuner.trial.cells import Decision

if TYPE_CHECKING:
    from tuner.study.study import Study


def verdict_on(
    study: Study, open_cell: OpenCell, epoch: int, metrics: Mapping[str, float], *, final: bool
) -> Verdict:
    """What becomes of a cell after a report; `final` says that its training has ended with it."""
    cell, metric = open_cell.cell, study.experiment.metric
    if open_cell.end is not None or study.records[cell.trial].ended_early:
        return Verdict(Decision.STOP, why="its trial has ended")
    value = metrics.get(metric)
    if value is None or (final and math.isfinite(value)):
        return GO_ON
    if not math.isfinite(value):
        return Verdict(Decision.STOP, why=f"{metric} was {value}")
    verdict = study.scheduler.judge(cell, epoch, study.sign * value, study.board)
    return _checked(study.scheduler, verdict)


def promotable(study: Study) -> int | None:
    """The paused trial that may go on now, None if there is none."""
    assert isinstance(study.scheduler, Pausing)
    number = study.scheduler.promote(study.board)
    if number is not None and number not in study.board.paused:
        raise StudyError(
            f"scheduler {type(study.scheduler).__name__} promoted {number!r}, and promote "
            "answers with a paused trial's number, or None"
        )
    return number


def _checked(scheduler: Any, verdict: Any) -> Verdict:
    name = type(scheduler).__name__
    if not isinstance(verdict, Verdict) or not isinstance(verdict.decision, Decision):
        raise StudyError(
            f"scheduler {name} answered {verdict!r}, and judge answers with a Verdict, whose "
            "decision is CONTINUE, STOP or PAUSE"
        )
    if verdict.decision is Decision.PAUSE and not isinstance(scheduler, Pausing):
        raise StudyError(
            f"scheduler {name} answered PAUSE, and has no method promote(board) that says who "
            "goes on; give it one"
        )
    return verdict

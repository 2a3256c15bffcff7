"""What the scheduler is asked, and that its answer is one.

A scheduler is anybody's code: an answer that breaks its contract ends the run with a StudyError
that names its class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.experiment.goals import VIOLATION
from tuner.schedulers.contract import GO_ON, Finishing, Pausing, Verdict
from tuner.search_space.values import python_value
from tuner.study.running_cell import OpenCell
from tuner.trial.cells import Decision

if TYPE_CHECKING:
    from tuner.study.study import Study


def verdict_on(
    study: Study, open_cell: OpenCell, epoch: int, metrics: Mapping[str, float], *, final: bool
) -> Verdict:
    """What becomes of a cell after a report; `final` says that its training has ended with it."""
    cell = open_cell.cell
    if open_cell.end is not None or study.records[cell.trial].ended_early:
        return Verdict(Decision.STOP, why="its trial has ended")
    for goal in study.goals:
        value = metrics.get(goal.metric)
        if value is not None and not math.isfinite(value):
            return Verdict(Decision.STOP, why=f"{goal.metric} was {value}")
    values = study.values_of(open_cell, metrics)
    if values is None or final:
        return GO_ON
    loss = study.loss_of(values, metrics.get(VIOLATION, 0.0) if study.constrained else 0.0)
    return _checked(study.scheduler, study.scheduler.judge(cell, epoch, loss, study.board))


def promotable(study: Study) -> int | None:
    """The paused trial that may go on now, None if there is none."""
    scheduler = study.scheduler
    assert isinstance(scheduler, Pausing)
    number: int | None = python_value(scheduler.promote(study.board))
    if number is None and isinstance(scheduler, Finishing) and not study.is_busy():
        number = python_value(scheduler.finish(study.board))
    if number is not None and number not in study.board.paused:
        raise StudyError(
            f"scheduler {type(scheduler).__name__} promoted {number!r}, and promote answers with "
            "a paused trial's number, or None"
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
    rung = python_value(verdict.rung)
    if rung is not None and (type(rung) is not int or rung < 1):
        raise StudyError(
            f"scheduler {name} judged at rung {rung!r}, and a rung is an epoch, from 1, or None"
        )
    if not isinstance(verdict.why, str):
        raise StudyError(f"scheduler {name} gave the reason {verdict.why!r}, and it is a text")
    return verdict if rung is verdict.rung else replace(verdict, rung=rung)

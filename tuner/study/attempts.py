"""What a live study does once a cell has ended or was paused: retries, ends, shares, tells."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.study.cell_result import CellResult
from tuner.study.entries import Asked, Opened, Told
from tuner.study.fold_racing import falls_behind
from tuner.study.record import Record
from tuner.study.running_cell import OpenCell
from tuner.trial.cells import CellKey, Ending, Outcome, State

if TYPE_CHECKING:
    from tuner.store.report import Report
    from tuner.study.study import Study

FIRST_FAILURES = 3
"""When the first so many trials all fail, the run stops: more would fail alike. Not where anything
was ever reported, nor where the trials differ in one axis only (a grid begins with bad ends)."""


def settle(study: Study, record: Record) -> None:
    """See to a trial of which a cell has ended: a new attempt, or the end of all that is left."""
    if record.busy:
        return
    if record.failed and study.may_retry(record):
        study.ledger.close(record.attempt_id, State.FAILED, None)
        start_over(study, record)
    elif record.paused and (record.ended_early or record.failed):
        end_paused(study, record)
    elif record.state is not State.RUNNING:
        conclude(study, record)


def start_over(study: Study, record: Record) -> None:
    """Open a new attempt, which runs the cells that failed or never ended."""
    attrs: dict[str, Any] = {"trial": record.trial, "attempt": record.attempt + 1}
    attrs["windows"] = record.windows
    if record.parent is not None:
        attrs["parent"] = record.parent.as_json()
    done = {fold: cell for fold, cell in record.cells.items() if cell.state is State.COMPLETE}
    for fold in range(study.cells):
        if fold not in done and fold not in record.paused:
            key, start = CellKey(record.trial, fold), record.held.get(fold, 0)
            study.recorder.drop(key, record.attempt, start)
    kept = {f"fold:{fold}": cell.as_json() for fold, cell in done.items()}
    attempt_id = study.ledger.open(study.space, record.params, {**attrs, **kept})
    opened = Opened(
        record.trial, record.attempt + 1, attempt_id, record.params, parent=record.parent
    )
    study.apply(opened)
    if study.cells == 1:
        for epoch, value in record.curves.get(0, {}).items():
            study.ledger.report(attempt_id, epoch, value)
        for epoch, scores in record.scores.get(0, {}).items():
            study.ledger.keep_scores(attempt_id, epoch, scores)
        if study.constrained and (reported := record.curves.get(0)):
            violation = record.violations.get(0, {}).get(max(reported), 0.0)
            study.ledger.keep_violation(attempt_id, violation)


def end_paused(study: Study, record: Record) -> None:
    """End a trial's paused cells, which nobody goes on with."""
    while record.paused:
        open_cell = study.open[CellKey(record.trial, min(record.paused))]
        end_cell(study, open_cell.cell.key, as_it_waits(open_cell))


def as_it_waits(open_cell: OpenCell) -> Outcome:
    """The end of a paused cell, as STOPPED."""
    open_cell.end = State.STOPPED
    return Outcome(Ending.FINISHED, duration_s=open_cell.time_s, **open_cell.by.named())


def result_of(study: Study, open_cell: OpenCell, outcome: Outcome) -> CellResult:
    """What a cell's end makes of it, now."""
    return open_cell.result(outcome, study.experiment, study.sign, study.clock())


def end_cell(study: Study, key: CellKey, outcome: Outcome) -> None:
    """Decide what a cell's end makes of it, keep that, apply it, and see to its trial."""
    open_cell, record = study.open[key], study.records[key.trial]
    result = result_of(study, open_cell, outcome)
    if falls_behind(record, key.fold, result, study.incumbent, study.experiment.fold_racing):
        result = replace(result, falls_behind=True)
    study.recorder.sync()  # first: the ledger must promise no report that a power cut takes
    study.ledger.keep_cell(record.attempt_id, key.fold, result.as_json())
    finished = outcome.ending is Ending.FINISHED
    study.apply(
        Told(
            key,
            result,
            died=outcome.ending is Ending.DIED,
            # It would take as long again, or raise the same.
            no_retry=outcome.ending is Ending.TIMED_OUT or outcome.hopeless,
            read_epochs=outcome.read_epochs and finished,
        )
    )
    if outcome.hopeless and not study.order:
        study.give_up(_as_every_trial(record, outcome.error))
    settle(study, record)


def conclude(study: Study, record: Record) -> None:
    """A trial has ended for good."""
    study.recorder.finish(record)
    study.on_change(record)
    check_first_failures(study)
    tell_ledger(study)
    share(study, record)


def tell_ledger(study: Study) -> None:
    """Tell the ledger what became of trials, but for those of the open window."""
    for record in sorted(study.untold, key=lambda record: record.trial):
        if record in study.window:
            continue
        study.untold.remove(record)
        if study.cells > 1:
            values = [cell.value for _, cell in sorted(record.cells.items())]
            known = [value for value in values if value is not None]
            for step in range(1, len(known) + 1):
                study.ledger.report(record.attempt_id, step, math.fsum(known[:step]) / step)
            if record.values:
                study.ledger.keep_scores(record.attempt_id, max(1, len(known)), record.values)
        value = record.value if len(study.goals) == 1 else record.values or None
        violation = record.violation if study.constrained else None
        study.ledger.close(record.attempt_id, record.state, value, violation)


def share(study: Study, leader: Record) -> None:
    """Give those that follow a trial, which has ended, their share of its reports."""
    for number in study.followers.of(leader.trial):
        if number < len(study.records):
            share_with(study, leader, study.records[number])


def share_with(study: Study, leader: Record, record: Record) -> None:
    """Copy a leader's reports to a trial that waits for them, as far as its epochs go."""
    if study.leader_of(record) is not leader or leader.state is State.RUNNING:
        return
    reports = study.followers.reports(leader, record)
    if reports is None:
        return
    study.ledger.keep(record.attempt_id, "shared_with", leader.trial)
    for fold, rows in reports.items():
        theirs = leader.cells[fold]
        at = study.clock() if theirs.started_at is None else theirs.started_at
        cell = study.cell(record, fold)
        study.apply(Asked(cell, at, shared_with=leader.trial))
        for row in rows:
            if cell.epochs is None or row.epoch <= cell.epochs:
                study.take(_copy(row, record, study.order))
        if cell.epochs == study.cell(leader, fold).epochs:
            study.open[cell.key].end = None if theirs.state is State.COMPLETE else theirs.state
    for fold in reports:
        led = leader.cells[fold]
        ended = Outcome(Ending.FINISHED, host=led.host, worker=led.worker, read_epochs=False)
        end_cell(study, CellKey(record.trial, fold), ended)


def _copy(row: Report, record: Record, order: int) -> Report:
    return replace(row, trial=record.trial, attempt=record.attempt, order=order)


def check_first_failures(study: Study) -> None:
    """End a run of which the first trials all failed, differ, and none has reported anything."""
    ended = [r for r in study.records if r.state is not State.RUNNING]
    failed = [r for r in ended if r.state is State.FAILED]
    if study.order or len(failed) < FIRST_FAILURES or len(failed) < len(ended):
        return
    axes = {name for record in study.records for name in record.params}
    varied = [
        name for name in axes if len({repr(record.params.get(name)) for record in failed}) > 1
    ]
    searched = sum(axis_varies(study, name) for name in axes)
    if len(varied) <= 1 and (study.proposals.points is not None or searched > 1):
        return
    last = failed[-1]
    error = StudyError(
        f"the first {FIRST_FAILURES} trials all failed, so the run was stopped; "
        f"the last one's error: {_last_line(last.error)}"
    )
    error.add_note(last.error or "")
    study.give_up(error)


def _as_every_trial(record: Record, text: str | None) -> StudyError:
    """The end of a run by its first trial's error."""
    line = re.sub(r"^[\w.]*Error: ", "", _last_line(text))
    error = StudyError(f"trial {record.trial} ended as every other one would: {line}")
    error.add_note(text or "")
    return error


def axis_varies(study: Study, name: str) -> bool:
    """Whether an axis has more than one value."""
    from tuner.search_space.axes import Constant

    return not isinstance(study.space.get(name), Constant)


def _last_line(error: str | None) -> str:
    lines = (error or "no reason was given").strip().splitlines()
    return lines[-1]

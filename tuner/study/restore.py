"""Resuming: a study rebuilt from its ledger and its report log.

Finished trials stand as they are. A trial that was in flight, or FAILED, gets a new attempt, which
runs only the cells that have not ended well. Reports of attempts that never finished are dropped.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial, TrialState

from tuner.experiment.settle import last_epoch
from tuner.store.ledger import FOLD, broken_ledger
from tuner.store.reports_table import Report
from tuner.study.record import CellResult, Record
from tuner.study.study import Study
from tuner.trial.cells import Decision, State


def restore(study: Study) -> None:
    """Fill a new Study with what its ledger and report log hold."""
    last = last_attempts(study)
    store = study.recorder.store
    check_whole(last, set() if store is None else store.trials())
    for number in sorted(last):
        study.records.append(record_of(study, number, last[number]))
    _restore_reports(study)
    for record in study.records:
        _go_on(study, record, last[record.trial])
    if study.window:
        study.close_window_if_done()


def check_whole(last: Mapping[int, FrozenTrial], reported: set[int]) -> None:
    """Raises ResultsError where the ledger has lost trials: it is written before all else."""
    lost = (set(range(max(last, default=-1) + 1)) | reported) - set(last)
    if lost:
        some = ", ".join(str(trial) for trial in sorted(lost)[:10])
        raise broken_ledger(f"it has lost {len(lost)} trials: {some}{', ...' * (len(lost) > 10)}")


def last_attempts(study: Study) -> dict[int, FrozenTrial]:
    """Each trial's last attempt; attempts left open behind it are closed."""
    last: dict[int, FrozenTrial] = {}
    for attempt in study.ledger.attempts():
        number = attempt.user_attrs.get("trial")
        if number is None:  # killed before the ask was over: as if it had never been asked
            if not attempt.state.is_finished():
                study.ledger.discard(attempt._trial_id)
            continue
        last[number] = attempt
    return last


def record_of(study: Study, number: int, attempt: FrozenTrial) -> Record:
    """A trial as its last attempt in the ledger tells it."""
    params = study.space.decode(attempt.params)
    cells = {
        int(name.removeprefix(FOLD)): CellResult.from_json(form)
        for name, form in attempt.user_attrs.items()
        if name.startswith(FOLD)
    }
    record = Record(number, params, study.seed(params, 0), attempt._trial_id, cells=cells)
    record.attempt = attempt.user_attrs.get("attempt", 1)
    record.shared_with = attempt.user_attrs.get("shared_with")
    if attempt.datetime_start is not None:
        record.started_at = attempt.datetime_start.timestamp()
    record.note_start()
    record.state = _state(record, attempt, study.cells)
    return record


def _state(record: Record, attempt: FrozenTrial, cells: int) -> State:
    """The record's state; RUNNING for an attempt that has not come to its end."""
    ended = {cell.state for cell in record.cells.values()}
    early = bool(ended & {State.STOPPED, State.DIVERGED})
    if attempt.state is TrialState.FAIL:
        return State.FAILED
    if not early and (len(record.cells) < cells or State.FAILED in ended):
        return State.RUNNING
    return record.conclusion(cells)


def _restore_reports(study: Study) -> None:
    """Keep the reports of cells that ended well, drop the others, show them to the scheduler."""
    store = study.recorder.store
    if store is None:
        return
    again = [
        (record.trial, fold)
        for record in study.records
        for fold in range(study.cells)
        if _runs_again(record, fold)
    ]
    store.drop_finished(again)
    for record in study.records:
        for fold in range(study.cells):
            cell = record.cells.get(fold)
            if cell is None or _runs_again(record, fold):
                store.drop((record.trial, fold), record.attempt)
            else:
                store.drop((record.trial, fold), cell.attempt - 1)
    _replay(study, store.reports())


def _runs_again(record: Record, fold: int) -> bool:
    cell = record.cells.get(fold)
    unfinished = record.state in (State.RUNNING, State.FAILED)
    return unfinished and (cell is None or cell.state is not State.COMPLETE)


def _replay(study: Study, reports: Iterable[Report]) -> None:
    windows: dict[int, list[Report]] = defaultdict(list)
    size = study.experiment.window if study.experiment.deterministic else 1 << 62
    for report in reports:
        windows[report.trial // size].append(report)
        study.order = max(study.order, report.order + 1)
    stopped: set[tuple[int, int]] = set()
    unfinished = [r.trial // size for r in study.records if r.state is State.RUNNING]
    for window in sorted(windows):
        for report in sorted(windows[window], key=lambda report: report.order):
            value = report.metrics.get(study.experiment.metric)
            judged = all(math.isfinite(metric) for metric in report.metrics.values())
            if value is not None and judged and (report.trial, report.fold) not in stopped:
                limit = last_epoch(study.experiment, study.records[report.trial].params)
                study.scheduler.report(
                    report.trial, report.fold, report.epoch, study.sign * value, limit
                )
            if report.decision == Decision.STOP:
                stopped.add((report.trial, report.fold))
        if window not in unfinished:
            study.scheduler.close_window()


def _go_on(study: Study, record: Record, attempt: FrozenTrial) -> None:
    told = attempt.state.is_finished()
    if study.experiment.deterministic and not told and _in_last_window(study, record):
        study.window.append(record)
    if study.followers.waits(record, study.records):
        return
    if record.state in (State.RUNNING, State.FAILED):
        if not told:
            study.ledger.close(record.attempt_id, State.FAILED, None)
        study.start_over(record)
        return
    study.recorder.finish(record.trial, record.cells)
    study.note_incumbent(record)
    if not told and record not in study.window:
        study.close(record)


def _in_last_window(study: Study, record: Record) -> bool:
    size = study.experiment.window
    return record.trial // size == (len(study.records) - 1) // size

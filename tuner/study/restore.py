"""Resuming: a study rebuilt from its ledger and its report log.

What they hold is applied as it was when it happened. Finished trials stand as they are, trials that
were paused stay so. One that was in flight, or FAILED, gets a new attempt, which runs only the
cells that have not ended, each from where it was last paused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, islice

from optuna.trial import FrozenTrial, TrialState

from tuner.store.ledger import FOLD, broken_ledger
from tuner.store.optuna_internals import trial_id
from tuner.store.report import UNKNOWN_RUNG, Report
from tuner.study import attempts
from tuner.study.history import Reports, entries
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.study.winding_up import wind_up
from tuner.trial.cells import CellKey, Ending, Outcome, State


def restore(study: Study) -> None:
    """Fill a new Study with what its ledger and report log hold."""
    last = last_attempts(study)
    store = study.recorder.store
    check_whole(last, set() if store is None else store.trials())
    replay(study, last, _reports(study, last))
    told = {number for number, attempt in last.items() if attempt.state.is_finished()}
    study.untold = [record for record in study.untold if record.trial not in told]
    for record in list(study.records):
        _go_on(study, record)
    attempts.tell_ledger(study)
    wind_up(study)


def replay(study: Study, last: Mapping[int, FrozenTrial], reports: Reports) -> None:
    """Apply what happened, as the last attempts and the reports tell it. Nothing is written."""
    for entry in entries(study, last, reports):
        if isinstance(entry, Report) and entry.rung == UNKNOWN_RUNG:
            entry = _with_rung(study, entry)
        study.apply(entry)


def check_whole(last: Mapping[int, FrozenTrial], reported: set[int]) -> None:
    """Raises ResultsError where the ledger has lost trials: it is written before all else."""
    highest = max(last, default=-1)
    later = sorted(number for number in reported if number > highest)
    gaps = (number for number in chain(range(highest + 1), later) if number not in last)
    some = list(islice(gaps, 10))  # no more: a damaged ledger may speak of trial 3,000,000
    if some:
        lost = highest + 1 + len(later) - len(last)
        named = ", ".join(map(str, some)) + ", ..." * (lost > len(some))
        raise broken_ledger(f"it has lost {lost} trials: {named}")


def last_attempts(study: Study) -> dict[int, FrozenTrial]:
    """Each trial's last attempt; attempts left open behind it are closed."""
    last: dict[int, FrozenTrial] = {}
    for attempt in study.ledger.attempts():
        number = attempt.user_attrs.get("trial")
        if number is None:  # killed before the ask was over: as if it had never been asked
            if not attempt.state.is_finished():
                study.ledger.discard(trial_id(attempt))
            continue
        last[number] = attempt
    return last


def _reports(study: Study, last: Mapping[int, FrozenTrial]) -> Reports:
    """The reports by trial and fold, but for those of trials that FAILED: these are dropped."""
    store = study.recorder.store
    if store is None:
        return {}
    again = [
        CellKey(number, fold)
        for number, attempt in last.items()
        if attempt.state is TrialState.FAIL
        for fold in range(study.cells)
        if not _is_complete(attempt, fold)
    ]
    store.drop_finished(again)
    for key in again:
        store.drop(key, last[key.trial].user_attrs.get("attempt", 1))
    return store.by_cell()


def _is_complete(attempt: FrozenTrial, fold: int) -> bool:
    form = attempt.user_attrs.get(f"{FOLD}{fold}")
    return form is not None and form["state"] == State.COMPLETE


def _with_rung(study: Study, entry: Report) -> Report:
    """A report of a version that did not keep its rung: it follows from its epoch alone."""
    value = entry.metrics.get(study.metric, math.nan)
    if not math.isfinite(value) or not study.scheduler.has_rungs:
        return replace(entry, rung=None)
    cell = study.open[entry.key].cell
    verdict = study.scheduler.judge(cell, entry.epoch, study.sign * value, study.board)
    return replace(entry, rung=verdict.rung)


def _go_on(study: Study, record: Record) -> None:
    """Let a trial that has not ended go on; keep the tables of one that has."""
    record.raises, record.deaths = 0, 0  # a resume gives new chances
    record.failed_in.clear()
    leader = study.leader_of(record)
    if record.state is State.FAILED:
        attempts.start_over(study, record)
    elif record.state is not State.RUNNING:
        study.recorder.finish(record)
    elif leader is not None:
        attempts.share_with(study, leader, record)
    elif record.shared_with is None and record.ended_early:
        for fold in sorted(record.running):
            _end(study, CellKey(record.trial, fold))
        attempts.settle(study, record)
    elif not record.set_aside and not study.waits(record):
        study.ledger.close(record.attempt_id, State.FAILED, None)
        attempts.start_over(study, record)


def _end(study: Study, key: CellKey) -> None:
    """End a cell whose trial was ended before its worker said so."""
    open_cell = study.open[key]
    open_cell.end = open_cell.end or State.STOPPED
    ended = Outcome(Ending.FINISHED, duration_s=open_cell.time_s, read_epochs=False)
    attempts.end_cell(study, key, ended)

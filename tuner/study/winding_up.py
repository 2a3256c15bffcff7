"""The end of paused trials: nobody goes on with them, or their run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.schedulers.contract import Pausing
from tuner.study import attempts
from tuner.study.entries import Told
from tuner.study.judging import promotable
from tuner.study.population import renew
from tuner.trial.cells import CellKey

if TYPE_CHECKING:
    from tuner.study.study import Study


def wind_up(study: Study) -> None:
    """End the trials that are still paused, once nothing runs and none is to be promoted."""
    if not study.board.paused or study.finished:
        return
    renew(study)
    if study.is_busy():
        return
    if isinstance(study.scheduler, Pausing) and promotable(study) is None:
        for trial in sorted(study.board.paused):
            attempts.end_paused(study, study.records[trial])
        study.recorder.write(study.records)


def lay_aside(study: Study) -> None:
    """Let paused trials read STOPPED, since no run goes on with them.

    To the ledger they stay paused: a resume takes them up where they stand.
    """
    for record in study.records:
        if not record.set_aside:
            continue
        for fold in sorted(record.paused):
            open_cell = study.open[CellKey(record.trial, fold)]
            result = attempts.result_of(study, open_cell, attempts.as_it_waits(open_cell))
            study.apply(Told(open_cell.cell.key, result))
        study.recorder.finish(record)

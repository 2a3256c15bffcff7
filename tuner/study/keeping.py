"""How a report that was decided on is kept: in the log, in the state, and in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.experiment.goals import VIOLATION
from tuner.store.report import Report

if TYPE_CHECKING:
    from tuner.study.study import Study


def keep(study: Study, report: Report) -> None:
    """Keep a report that was decided on, and apply it."""
    study.recorder.append(report)
    study.apply(report)
    open_cell = study.open.get(report.key)
    value = None if open_cell is None else open_cell.values.get(report.epoch)
    if open_cell is not None and study.cells == 1 and value is not None:
        attempt = study.records[report.trial].attempt_id
        study.ledger.report(attempt, report.epoch, value)
        if open_cell.scores:
            study.ledger.keep_scores(attempt, report.epoch, open_cell.scores[report.epoch])
        if study.constrained:
            study.ledger.keep_violation(attempt, report.metrics.get(VIOLATION, 0.0))

"""What a live study does with a report: it decides, keeps what it decided, and applies it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuner.experiment.goals import VIOLATION
from tuner.store.report import Report
from tuner.study import attempts
from tuner.study.constraints import violation_of
from tuner.study.judging import verdict_on
from tuner.study.running_cell import OpenCell
from tuner.study.winding_up import wind_up
from tuner.trial.cells import Decision

if TYPE_CHECKING:
    from tuner.study.study import Study


def decide(
    study: Study,
    open_cell: OpenCell,
    epoch: int,
    metrics: Mapping[str, float],
    time_s: float,
    *,
    final: bool = False,
) -> Decision:
    """The decision on a report, which is kept and applied; `final`: its training has ended."""
    cell = open_cell.cell
    goals = [goal.metric for goal in study.goals]
    kept = {n: v for n, v in metrics.items() if n in goals or math.isfinite(v)}
    infeasible = _constrain(study, open_cell, metrics, kept)
    verdict = verdict_on(study, open_cell, epoch, kept, final=final)
    report = Report(
        trial=cell.trial,
        attempt=cell.attempt,
        fold=cell.fold,
        epoch=epoch,
        time_s=time_s,
        metrics=kept,
        decision=verdict.decision.value,
        order=study.order,
        at=study.clock(),
        rung=verdict.rung,
        why="; ".join(filter(None, (infeasible, verdict.why))),
        worker=open_cell.by.worker,
    )
    study.take(report)
    if verdict.decision is Decision.PAUSE:
        attempts.settle(study, study.records[cell.trial])
        attempts.tell_ledger(study)
        wind_up(study)
    study.recorder.write(study.records)
    return verdict.decision


def _constrain(
    study: Study, open_cell: OpenCell, metrics: Mapping[str, float], kept: dict[str, float]
) -> str:
    """Add to what is kept of a report how far it is from keeping the constraints; which, if so.

    They are told what is not finite too: a latency of infinity is above any bound.
    """
    constraints = study.experiment.constraints
    if constraints is None or study.values_of(open_cell, kept) is None:
        return ""
    latest = {**open_cell.metrics, **metrics}
    kept[VIOLATION], infeasible = violation_of(constraints, latest)
    return infeasible

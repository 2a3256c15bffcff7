"""Reads a study as it stands, also while it runs: with the reports that lie in its log alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.loading import Tables, load, the_study
from tuner.store.layout import REPORT_LOG_FILE
from tuner.store.log import Damaged, lines
from tuner.store.report import Report, read_entry


def read_now(folder: Path) -> Tables:
    """The tables of one study's folder, and the reports that its driver has logged since.

    A line that is being written is left for the next look. Raises ResultsError where no study is.
    """
    tables = load(folder)
    the_study(tables.studies)
    logged = _logged(folder / REPORT_LOG_FILE)
    attempts = dict(zip(tables.trials["trial"], tables.trials["attempt"], strict=True))
    kept = set(zip(*(tables.reports[name] for name in ("trial", "fold", "epoch")), strict=True))
    name = tables.studies["study"].iloc[0]
    rows = [
        _row(report, name)
        for report in logged
        if (report.trial, report.fold, report.epoch) not in kept
        and report.attempt >= attempts.get(report.trial, 0)
    ]
    if not rows:
        return tables
    added = pd.DataFrame(rows).drop_duplicates(["trial", "fold", "epoch"], keep="last")
    whole = pd.concat([tables.reports, added], ignore_index=True) if len(tables.reports) else added
    columns = [*tables.reports.columns, *(n for n in added if n not in tables.reports)]
    return tables._replace(reports=whole.reindex(columns=columns))


def _logged(path: Path) -> list[Report]:
    found = []
    for _, line in lines(path):
        try:
            entry = read_entry(line)
        except Damaged:
            continue  # the line that is being written
        if isinstance(entry, Report):
            found.append(entry)
    return found


def _row(report: Report, study: str) -> dict[str, Any]:
    fixed = {
        "study": study,
        "trial": report.trial,
        "fold": report.fold,
        "epoch": report.epoch,
        "time_s": report.time_s,
        "decision": report.decision,
        "why": report.why,
        "worker": report.worker or None,
        "order": report.order,
        "at": pd.NaT if report.at is None else pd.Timestamp(report.at, unit="s", tz="UTC"),
    }
    return {**fixed, **report.metrics}

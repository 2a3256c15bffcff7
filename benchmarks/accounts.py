"""What a struck study must still hold: each trial and cell once, and the finished as they were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna

import tuner
from benchmarks.faulty import DIVERGES, FAILS
from tuner.store.ledger import FOLD, journal_storage

ENDED = ("COMPLETE", "STOPPED", "DIVERGED")


@dataclass
class Account:
    """How many trials or cells were lost, were there twice, or changed after their end."""

    lost: int = 0
    duplicated: int = 0
    changed: int = 0

    def add(self, other: Account) -> None:
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.changed += other.changed


def ended_trials(path: Path) -> dict[int, Any]:
    """Value, attempt and reports of the trials that have ended, from the tables users read."""
    results = tuner.load(path)
    columns = [c for c in results.reports if c not in ("decision", "trial")]
    reports = {
        trial: rows.sort_values(["fold", "epoch"])[columns].astype(str).to_numpy().tolist()
        for trial, rows in results.reports.groupby("trial")
    }
    ended = results.trials[results.trials["state"].isin(ENDED)]
    return {
        row.trial: (row.state, str(row.value), row.attempt, reports.get(row.trial))
        for row in ended.itertuples()
    }


def count_changed(before: dict[int, Any], now: dict[int, Any]) -> int:
    """How many trials that had ended are not as they were."""
    return sum(now.get(trial) != kept for trial, kept in before.items())


def audit(path: Path, *, trials: int, cells: int, epochs: int) -> Account:
    """A study at its end: all trials once, in the state of their point, each cell run once."""
    found = Account()
    results = tuner.load(path)
    table, reports = results.trials, results.reports
    found.lost += len(set(range(trials)) - set(table["trial"]))
    found.duplicated += int(table["trial"].duplicated().sum()) + max(0, len(table) - trials)
    found.duplicated += int(reports[["trial", "fold", "epoch"]].duplicated().sum())
    rows = reports.groupby("trial").size().to_dict()
    for row in table.itertuples():
        wanted = {FAILS: ("FAILED",), DIVERGES: ("DIVERGED",)}.get(
            row.param_a, ("COMPLETE", "STOPPED")
        )
        short = row.state == "COMPLETE" and rows.get(row.trial, 0) != cells * epochs
        found.lost += bool(row.state not in wanted or short)
    found.add(audit_ledger(path))
    return found


def audit_ledger(path: Path) -> Account:
    """No attempt follows one that ended well, and a finished cell is never run again."""
    found = Account()
    attempts: dict[int, list[Any]] = defaultdict(list)
    study = optuna.load_study(study_name=path.name, storage=journal_storage(path))
    for attempt in study.trials:
        if "trial" in attempt.user_attrs:
            attempts[attempt.user_attrs["trial"]].append(attempt)
        found.lost += not attempt.state.is_finished()
    for tries in attempts.values():
        for one, two in pairwise(tries):
            found.duplicated += one.state.name != "FAIL"
            cells, later = one.user_attrs, two.user_attrs
            done = [c for c in cells if c.startswith(FOLD) and cells[c]["state"] == "COMPLETE"]
            found.changed += sum(later.get(cell) != cells[cell] for cell in done)
    return found

"""The log of a study, as its ledger and its report log tell it.

A trial runs in legs, from one pause to the next; in a deterministic study each leg was given out in
a window of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from tuner.store.ledger import FOLD
from tuner.store.optuna_internals import trial_id
from tuner.store.report import Report
from tuner.study.cell_result import CellResult
from tuner.study.entries import Asked, Entry, Opened, Promoted, Told
from tuner.study.lineage import Parent
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.trial.cells import CellKey, Decision, State

NEVER = 1 << 62
"""The place of what nothing was reported after."""

Placed = tuple[int, int, Entry]
"""An entry with its window and its place among all reports; -1 is the window's beginning."""

Reports = Mapping[int, Mapping[int, list[Report]]]
"""Reports by trial and fold, each cell's in order."""


def entries(study: Study, last: Mapping[int, FrozenTrial], reports: Reports) -> list[Entry]:
    """What happened: by windows; in each what was given out, then what came, in its order.

    `last` holds the last attempt of each trial.
    """
    placed: list[Placed] = []
    for number in sorted(last):
        told = Trial(study, number, last[number], reports.get(number, {}))
        placed.extend(told.entries())
    return [entry for *_, entry in sorted(placed, key=lambda entry: entry[:2])]


@dataclass(frozen=True)
class Trial:
    """One trial's part of it."""

    study: Study
    number: int
    attempt: FrozenTrial
    reports: Mapping[int, list[Report]]

    def entries(self) -> Iterator[Placed]:
        attrs = self.attempt.user_attrs
        record = self._record()
        windows = self._windows()
        opened = Opened(
            self.number,
            record.attempt,
            record.attempt_id,
            record.params,
            windows[0],
            attrs.get("leader"),
            record.parent,
        )
        yield windows[0], -1, opened
        shared = attrs.get("shared_with")
        legs = {fold: _legs(rows, whole=shared is not None) for fold, rows in self.reports.items()}
        count = max([len(windows), *map(len, legs.values())])
        for step in range(count):
            window = windows[min(step, len(windows) - 1)]
            rows = {fold: of[step] for fold, of in legs.items() if step < len(of)}
            if step > 0:
                first = min((row[0].order for row in rows.values()), default=NEVER)
                yield window, -1 if self.study.windowed else first, Promoted(self.number, window)
            for fold in range(self.study.cells):
                last_leg = step == max(len(legs.get(fold, [])), 1) - 1
                result = self._result(fold) if last_leg else None
                for place, entry in self._leg(record, fold, rows.get(fold, []), result):
                    yield window, place, entry
                if fold in rows:
                    record.held[fold] = rows[fold][-1].epoch

    def _record(self) -> Record:
        attempt, attrs = self.attempt, self.attempt.user_attrs
        params = self.study.space.decode(attempt.params)
        number = attrs.get("attempt", 1)
        parent = Parent.from_json(attrs.get("parent"))
        record = Record(self.number, params, 0, trial_id(attempt), attempt=number, parent=parent)
        if parent is not None:
            record.held[0] = parent.epoch
        return record

    def _leg(
        self, record: Record, fold: int, rows: list[Report], result: CellResult | None
    ) -> Iterator[tuple[int, Entry]]:
        if not rows and result is None:
            return
        began = rows[0].order if rows else 0
        at = rows[0].at if rows else None
        if result is not None and result.started_at is not None:
            at = result.started_at
        shared = self.attempt.user_attrs.get("shared_with")
        cell = self.study.cell(record, fold)
        yield began, Asked(cell, self.study.clock() if at is None else at, shared_with=shared)
        for row in rows:
            yield row.order, row
        if result is not None:
            ended = rows[-1].order if rows else began
            told = self.attempt.state.is_finished()
            no_retry = result.state is State.FAILED and told
            yield ended, Told(CellKey(self.number, fold), result, no_retry=no_retry)

    def _result(self, fold: int) -> CellResult | None:
        form = self.attempt.user_attrs.get(f"{FOLD}{fold}")
        return None if form is None else CellResult.from_json(form)

    def _windows(self) -> list[int]:
        """The windows that the legs were given out in."""
        if not self.study.windowed:
            return [0]
        attrs: Mapping[str, Any] = self.attempt.user_attrs
        return list(attrs.get("windows") or [self.number // self.study.experiment.window])


def _legs(rows: list[Report], *, whole: bool) -> list[list[Report]]:
    """A cell's reports from each pause to the next; `whole` for those that only copy another's."""
    legs: list[list[Report]] = []
    for row in rows:
        if not legs or (legs[-1][-1].decision == Decision.PAUSE and not whole):
            legs.append([])
        legs[-1].append(row)
    return legs

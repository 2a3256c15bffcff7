"""What the ledger promises and the report log no longer has: said, since nothing brings it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from tuner.store.reports_table import ReportStore
from tuner.study.record import Record
from tuner.trial.cells import CellKey, State

SHOWN = 5


def lost_reports(records: Iterable[Record], store: ReportStore) -> list[str]:
    """Lines that name the ended trials whose reports are not all there."""
    lost = list(_lost(records, store))
    more = [f"and of {len(lost) - SHOWN} cells more"] if len(lost) > SHOWN else []
    return [*islice(lost, SHOWN), *more]


def _lost(records: Iterable[Record], store: ReportStore) -> Iterator[str]:
    reported = store.last_epochs()
    for record in records:
        for fold, cell in sorted(record.cells.items()):
            last = reported.get(CellKey(record.trial, fold), 0)
            if cell.state in (State.COMPLETE, State.STOPPED) and last < cell.epochs:
                yield (
                    f"trial {record.trial}, fold {fold}: its reports after epoch {last} of "
                    f"{cell.epochs} are lost; its value is kept"
                )

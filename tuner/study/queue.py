"""The cells that wait for a worker."""

from __future__ import annotations

from collections import deque

from tuner.study.record import Record


class Queue:
    """Trials with cells to give out, in order; a retry comes first.

    With `one_by_one` the folds of a trial follow each other: what one says may end the others, and
    in a deterministic study no order of arrivals may decide how far those came.
    """

    def __init__(self, *, one_by_one: bool) -> None:
        self._one_by_one = one_by_one
        self._records: deque[Record] = deque()

    def append(self, record: Record) -> None:
        """Let a trial's waiting cells run."""
        self._records.append(record)

    def put_first(self, record: Record) -> None:
        """Let a trial's waiting cells run before all others."""
        self._records.appendleft(record)

    @property
    def waits(self) -> bool:
        """Whether any cell waits."""
        return any(record.waiting for record in self._records)

    def next(self) -> tuple[Record, int] | None:
        """The trial and fold to give out now; None where nothing can be."""
        while self._records and not self._records[0].waiting:
            self._records.popleft()
        for record in self._records:
            if record.waiting and not (self._one_by_one and record.running):
                return record, record.waiting[0]
        return None

"""Where a trial of a population comes from: its parent, and the schedule that it lived through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tuner.trial.cells import Segment

if TYPE_CHECKING:
    from tuner.study.record import Record


class Parent(NamedTuple):
    """The trial whose weights another goes on from, after which epoch, in whose place, and why.

    It is kept in the ledger, as the attribute `parent` of the attempt.
    """

    trial: int
    epoch: int
    replaces: int
    why: str

    def as_json(self) -> dict[str, Any]:
        """A form that Optuna's storages keep."""
        return self._asdict()

    @classmethod
    def from_json(cls, form: Mapping[str, Any] | None) -> Self | None:
        """The parent that `as_json` wrote; None for None."""
        return None if form is None else cls(**form)


def schedule_of(records: Sequence[Record], record: Record) -> tuple[Segment, ...]:
    """What trained a trial's weights before it began, the earliest first."""
    segments: list[Segment] = []
    while record.parent is not None:
        until, record = record.parent.epoch, records[record.parent.trial]
        segments.append(Segment(record.trial, until, record.params, record.seed))
    return tuple(reversed(segments))

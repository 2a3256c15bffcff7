"""One report, and the line that it is in a study's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tuner.store.layout import REPORT_COLUMNS_FIRST, REPORT_COLUMNS_LAST
from tuner.store.log import Damaged, decode
from tuner.trial.cells import CellKey

MOST_PARTS = 99_999
UNKNOWN_RUNG = -1
"""The rung of a report of an earlier version, which did not keep it: it follows from the epoch."""
NEVER_A_METRIC = {*REPORT_COLUMNS_FIRST, *REPORT_COLUMNS_LAST} - {"learning_rate"}


@dataclass(frozen=True)
class Report:
    """One report as the study took it, `at` a time in seconds since the Unix epoch.

    `order` counts all reports of the study, from 0. `rung` is the rung that it was judged at, if
    at one (UNKNOWN_RUNG where that was not kept), and `why` the scheduler's reason. `worker` is the
    process that trained the epoch, by its number on its host, where that is known.
    """

    trial: int
    attempt: int
    fold: int
    epoch: int
    time_s: float
    metrics: Mapping[str, float]
    decision: str
    order: int
    at: float | None = None
    rung: int | None = None
    why: str = ""
    worker: str = ""

    @property
    def key(self) -> CellKey:
        """The cell that it is of."""
        return CellKey(self.trial, self.fold)

    def as_json(self) -> dict[str, Any]:
        """The record of the log."""
        return {**asdict(self), "metrics": dict(self.metrics)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Report:
        """Raises Damaged for what tuner cannot have written."""
        try:
            report = cls(**{"rung": UNKNOWN_RUNG, **content})
            at = 0.0 if report.at is None else report.at
            numbers = [report.time_s, at, *report.metrics.values()]
            real = all(isinstance(float(number), float) for number in numbers)
            dated = 0.0 <= at < 2.5e11  # the year 9999
            words = isinstance(report.decision, str) and isinstance(report.worker, str)
            named = NEVER_A_METRIC.isdisjoint(report.metrics) and words
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Damaged(str(error)) from None
        for name in ("trial", "attempt", "fold", "epoch", "order"):
            value = getattr(report, name)
            if type(value) is not int or not 0 <= value < 1 << 48:
                raise Damaged(f"{name} is {value!r}")
        if not (real and dated and named):
            raise Damaged("its numbers or names are out of range")
        return report


def read_entry(line: bytes) -> Report | int:
    """A line of the log: a report, or the number of the part that holds those behind it.

    Raises Damaged for what tuner cannot have written.
    """
    content = decode(line)
    if "part" not in content:
        return Report.from_json(content)
    number = content["part"]
    if type(number) is not int or not 1 <= number <= MOST_PARTS:
        raise Damaged(f"part is {number!r}")
    return number

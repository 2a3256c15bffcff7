"""What mattered, worked out as a run ends and kept for all who ask later: its report, say.

It takes a fiftieth of the run's own time at most: a run that was too short for that leaves it to
the first report.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from analysis.facts.fidelity import course, measures
from analysis.facts.importance import FEWER_RESAMPLES, LEAST_TRIALS, RESAMPLES, importances
from analysis.facts.kept import first_of, keep_importance, stamp
from analysis.loading import load
from analysis.shares import TookTooLongError, expected_s

SHARE = 50
"""At most one part in this many of a run's time goes into importance."""
NAMED = 3
"""Parameters that the line names."""


def keep_what_mattered(folder: Path, states: Mapping[str, int], seconds: float) -> str | None:
    """Work importance out and keep it; the line that a run says of it, None for nothing.

    The run of `seconds` has left trials in these `states`, in its `folder`.
    """
    began, budget = time.monotonic(), seconds / SHARE
    valued = states.get("COMPLETE", 0) + states.get("STOPPED", 0)
    if budget < expected_s(valued):
        return None
    if valued < LEAST_TRIALS:
        return f"which parameters mattered takes {LEAST_TRIALS} trials with a value to tell"
    of, tables = stamp(folder), load(folder)
    tables = tables._replace(trials=tables.trials.sort_values("trial", ignore_index=True))
    asked = measures(tables, course(tables))
    as_the_first = 1 + (len(asked) - 1) * FEWER_RESAMPLES / RESAMPLES
    if budget < as_the_first * expected_s(valued):
        return None
    try:
        found = importances(tables, asked, until=began + budget)
    except TookTooLongError:
        return None
    with suppress(OSError):  # a disk that is full: the report works it out anew
        keep_importance(folder, of, found)
    first = first_of(found)
    if first is None:
        return None
    shares = [f"{x.param} {x.share:.0%}" for x in first.shares if x.share > x.floor][:NAMED]
    said = ", ".join(shares) or "no parameter more than chance would"
    return f"what explains the results ({first.method}): {said}"

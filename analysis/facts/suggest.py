"""What a run says at its end of a winner that others tie with, and the command to type."""

from __future__ import annotations

from pathlib import Path

from analysis.facts.fidelity import course
from analysis.facts.lines import confirm
from analysis.facts.trust import MOST_CONFIRMED, can_be_confirmed
from analysis.facts.winner import winner
from analysis.facts.words import count
from analysis.loading import load


def suggestion(folder: Path, place: str) -> str | None:
    """A line where several trials lie within noise of the best, with the command that trains them
    again; None where none do, or another rule than the value has chosen.

    `place` is where users find the study: its `folder`, or its URI.
    """
    tables = load(folder)
    won = winner(tables, course(tables))
    if won is None or not won.ties or won.why or not can_be_confirmed(tables):
        return None
    top = min(1 + len(won.ties), MOST_CONFIRMED)
    others = count(len(won.ties), "other trial")
    half = "" if won.noise is None else f" (±{won.noise.half:.2g})"
    verb = "lies" if len(won.ties) == 1 else "lie"
    return f"{others} {verb} within noise of the best{half}; who holds: {confirm(place, top=top)}"

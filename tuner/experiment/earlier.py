"""The earlier studies that an experiment names to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuner.errors import ExperimentError


def earlier_studies(given: Any) -> tuple[str, ...] | None:
    """The studies to learn from, as an Experiment holds them; None where there are none.

    An empty text is none: so the command line says it where the experiment's file names some.
    """
    listed = [given] if isinstance(given, str | Path) else given
    listed = None if listed == [""] else listed
    if listed is None or (isinstance(listed, Sequence) and not listed):
        return None
    if not isinstance(listed, Sequence) or not all(isinstance(p, str | Path) for p in listed):
        raise ExperimentError(
            f"{given!r:.200} is not a list of studies",
            field="learn_from",
            way_out="give their folders",
        )
    return tuple(map(str, listed))

"""What is worked out once as a run ends, where it ran so long that nobody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.errors import ResultsError, StudyError
from tuner.store.copying import put_back
from tuner.store.uris import is_uri

if TYPE_CHECKING:
    from tuner.runner.finished import Finished

LEAST_S = 120.0
"""A shorter run ends without even the import of what works importance out."""


def what_mattered(finished: Finished) -> str | None:
    """Keep the parameters' importance in the study's folder, or at its URI; the line that says it.

    None where the run was too short for that: then its report works it out.
    """
    if finished.seconds < LEAST_S:
        return None
    from analysis.facts.ending import keep_what_mattered

    said = None
    try:
        with put_back(finished.place, finished.path):
            said = keep_what_mattered(finished.path, finished.states, finished.seconds)
    except (ResultsError, StudyError):
        if not is_uri(finished.place):
            raise
        # Another driver has the study by now, or its URI is out of reach: the run has ended well.
    return said

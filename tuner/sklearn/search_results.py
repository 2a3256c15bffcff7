"""`results_` of a TunerSearchCV: a study's results, whose trials are estimators."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from tuner.errors import StudyError
from tuner.results.results import Results, load


@dataclass(frozen=True, repr=False)
class SearchResults(Results):
    """The results of a search that fits its best estimator itself."""

    def refit(self, **options: Any) -> NoReturn:
        """Raises StudyError: the search has fitted, or fits, its best estimator."""
        raise _own("refits")

    def test_score(self, *, data: str | None = None, trust: bool = False) -> NoReturn:
        """Raises StudyError: the search scores by its own scorer, on data that are given."""
        raise _own("scores")


def load_results(folder: Path) -> SearchResults:
    """The results of the search in a folder."""
    found = load(folder)
    return SearchResults(**{field.name: getattr(found, field.name) for field in fields(found)})


def _own(does: str) -> StudyError:
    return StudyError(
        f"the trials of a TunerSearchCV are estimators, which it {does} itself",
        way_out="take its `best_estimator_` (with `refit` on), or its `score`",
    )

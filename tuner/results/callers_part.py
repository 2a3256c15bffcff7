"""What in a study of `tuner.Study` is its caller's part: the training, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.errors import EngineError, ExperimentError, ReportError
from tuner.experiment.loading import OWN_LOOP
from tuner.runner.resolve import check_fields
from tuner.trial.trial import Trial


class OwnLoop:
    """The engine of a study whose caller trains: it has a name in the tables, and runs nothing."""

    def __repr__(self) -> str:
        return OWN_LOOP

    def why_not(self) -> str | None:
        return "its trials are trained by a loop of their caller's"

    def run(self, study: Any) -> None:
        raise EngineError(f"this study cannot be run, since {self.why_not()}")


NOT_HERE = {
    "name": "the study's own name is `study`",
    "objective": "its trials are trained by a loop of their caller's",
    "engine": "its trials are trained by a loop of their caller's",
    "confirm": "its best trials could be trained again by a loop of their caller's alone",
}
"""Fields of an Experiment that mean nothing here, and why."""


def elsewhere(trial: Trial) -> None:
    """Stands for the training, which is the caller's."""
    raise EngineError("this study trains in a loop of its caller's; go on with it there")


def check_given(fields: Mapping[str, Any]) -> None:
    """Raises ExperimentError for fields that an Experiment lacks, or that mean nothing here."""
    for name, why in NOT_HERE.items():
        if name in fields:
            raise ExperimentError(why, field=name, way_out="drop it")
    check_fields(fields)


def check_told(goal: str, metrics: Mapping[str, float]) -> None:
    """Raises ReportError where a searched metric is not among those told."""
    if goal not in metrics:
        raise ReportError(
            f"metric {goal!r} is searched and was not told: there is {', '.join(metrics) or 'none'}"
        )

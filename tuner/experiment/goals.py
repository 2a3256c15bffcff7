"""What is searched: one metric, or several at once, each with its direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tuner.errors import ExperimentError
from tuner.experiment.direction import AUTO, DIRECTIONS, MAXIMIZE, direction_of
from tuner.options import check_name

Constraints = Callable[[Mapping[str, float]], Sequence[float]]
"""Of a report's metrics, numbers that may not be above 0."""

VIOLATION = "violation"
"""The metric by which a study with constraints keeps how far a report is from keeping them."""


class Goal(NamedTuple):
    """A metric and its direction, minimize or maximize."""

    metric: str
    direction: str

    @property
    def sign(self) -> float:
        """The metric times this is a loss."""
        return -1.0 if self.direction == MAXIMIZE else 1.0


def goals_of(metric: Any, direction: Any) -> tuple[Goal, ...]:
    """The goals that two fields name, the first one first.

    A direction that is not given is as the metric's name says. Raises ExperimentError for names
    that are none, that stand twice, and for as many directions as there are not metrics.
    """
    metrics = listed(metric)
    directions = listed(direction)
    if not metrics or not all(isinstance(name, str) and name for name in metrics):
        raise ExperimentError(f"{metric!r} must be the name of a reported metric", field="metric")
    if len(set(metrics)) < len(metrics):
        raise ExperimentError(
            f"{list(metrics)} names one twice", field="metric", way_out="name each once"
        )
    for given in directions:
        check_name("direction", given, DIRECTIONS)
    if list(directions) == [AUTO]:
        directions = [AUTO] * len(metrics)
    if len(directions) != len(metrics):
        raise ExperimentError(
            f"{len(directions)} for {len(metrics)} metrics ({', '.join(metrics)})",
            field="direction",
            way_out="give one for each, in their order",
        )
    return tuple(
        Goal(name, direction_of(name) if given == AUTO else given)
        for name, given in zip(metrics, directions, strict=True)
    )


def listed(given: Any) -> Sequence[Any]:
    """A list as it is; one thing as a list of it."""
    return [given] if isinstance(given, str) or not isinstance(given, Sequence) else given


def check_constraints(given: Any, metrics: Sequence[Any]) -> None:
    """Raises ExperimentError for constraints that cannot be any."""
    if given is not None and not callable(given):
        raise ExperimentError(
            f"{given!r:.200} is not a function of a report's metrics",
            field="constraints",
            way_out='give one, such as lambda metrics: [metrics["size_mb"] - 5]',
        )
    if given is not None and VIOLATION in metrics:
        raise ExperimentError(
            f"{VIOLATION!r} is the name of what constraints come to",
            field="metric",
            way_out="rename the metric",
        )

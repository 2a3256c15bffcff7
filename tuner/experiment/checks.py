"""What an Experiment refuses beside what its options' own rules say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError
from tuner.experiment.keras_model import KerasModel
from tuner.options import options_of
from tuner.search_space.axes import Constant
from tuner.search_space.points import checked_point
from tuner.search_space.space import SearchSpace
from tuner.search_space.values import python_value

if TYPE_CHECKING:
    from tuner.experiment.experiment import Experiment

NAME_RULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
MODES = ("search", "grid", "cv")
DIRECTION_RENAMED = ("max", "min")


def make_plain(experiment: Experiment) -> None:
    """Make Python's of the NumPy numbers among the options: JSON keeps them."""
    for one, _ in options_of(experiment):
        object.__setattr__(experiment, one.name, python_value(getattr(experiment, one.name)))


def check_names(experiment: Experiment) -> None:
    """Refuse a name that no folder may have, an objective that trains nothing, an old mode."""
    if not isinstance(experiment.name, str) or not NAME_RULE.match(experiment.name):
        raise ExperimentError(
            f"{experiment.name!r} may hold letters, digits, '_', '-' and '.' only, "
            "100 at most, and starts with none of '-' and '.'",
            field="name",
        )
    if not isinstance(experiment.objective, KerasModel) and not callable(experiment.objective):
        raise ExperimentError(
            f"{experiment.objective!r} is neither a function train(trial) nor a KerasModel",
            field="objective",
        )
    if experiment.mode in DIRECTION_RENAMED:
        raise ExperimentError(
            f"{experiment.mode!r} is not one of {', '.join(MODES)}",
            field="mode",
            way_out=f"which way the metric is searched is direction='{experiment.mode}imize'",
        )


def first_points(experiment: Experiment) -> tuple[dict[str, Any], ...]:
    """The points to try first, as the space has them."""
    given = experiment.first
    listed = isinstance(given, Sequence) and not isinstance(given, str)
    if not listed or not all(isinstance(point, Mapping) for point in given):
        raise ExperimentError(
            f"{given!r:.200} is not a list of points", field="first", way_out="give [{axis: value}]"
        )
    space = SearchSpace(experiment.space)
    for i, point in enumerate(given):
        for name, value in point.items():
            axis = space.get(name)
            # `epochs` may have become a constant since it was given.
            if isinstance(axis, Constant) and name != "epochs" and not axis.holds(value):
                raise ExperimentError(
                    f"point {i} has {name} = {value!r}, which is {axis.value!r} in every trial",
                    field="first",
                    way_out="drop it, or search the axis",
                )
    return tuple(
        checked_point(f"point {i}", point, space, field="first") for i, point in enumerate(given)
    )


def check_checkpoints(experiment: Experiment) -> None:
    """Refuse checkpoints of a training whose whole state is not ours to restore."""
    every, model = experiment.checkpoint_every, experiment.objective
    if every is None:
        return
    if not isinstance(model, KerasModel):
        raise ExperimentError(
            f"{every} is for a declared KerasModel, and {experiment.name} trains by a function",
            field="checkpoint_every",
            way_out="declare it, or let the function keep its state in trial.folder",
        )
    if model.callbacks is not None:
        raise ExperimentError(
            f"{every} is for a KerasModel without callbacks of its own, as what they remember "
            "cannot be restored",
            field="checkpoint_every",
            way_out="drop one or the other",
        )

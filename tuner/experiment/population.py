"""What a search by a population needs of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.errors import ExperimentError
from tuner.experiment.keras_model import KerasModel
from tuner.registry import said
from tuner.schedulers.contract import Populating

if TYPE_CHECKING:
    from tuner.experiment.experiment import Experiment

SAMPLER = "random"
"""Who proposes the first members, where nobody was named: the population is to be spread out."""


def explored_axes(given: Any) -> tuple[str, ...] | None:
    """The axes to explore, as an Experiment holds them; None for all. Raises ExperimentError."""
    listed = [given] if isinstance(given, str) else given
    if listed is None or (isinstance(listed, Sequence) and not listed):
        return None
    if not isinstance(listed, Sequence) or not all(isinstance(name, str) for name in listed):
        raise ExperimentError(
            f"{given!r:.200} is not a list of axes", field="explore", way_out="give their names"
        )
    return tuple(listed)


def has_population(experiment: Experiment) -> bool:
    """Whether an experiment's scheduler begins trials with the weights of others."""
    return experiment.scheduler == "pbt" or isinstance(experiment.scheduler, Populating)


def with_population(
    experiment: Experiment, overrides: Mapping[str, Any], usual_sampler: Any
) -> Experiment:
    """The experiment with as many trials to begin with as its population has members.

    Raises ExperimentError where no population can be trained.
    """
    _check(experiment)
    members = getattr(experiment.scheduler, "members", None) or experiment.members
    typed = overrides.get("trials")
    if members is not None and typed is not None and typed != members:
        raise ExperimentError(
            f"a population of {members} members begins with so many trials, not {typed}",
            field="trials",
            way_out="drop one of `trials` and `members`",
        )
    members = members or experiment.trials
    usual = "sampler" not in overrides and experiment.sampler == usual_sampler
    sampler = SAMPLER if usual else experiment.sampler
    return replace(experiment, members=members, trials=members, sampler=sampler)


def check_still_whole(resumed: Experiment) -> None:
    """Raises ExperimentError where a population that goes on would end otherwise, or have other
    members than it began with: a late one is compared with nobody, and a round waits for one that
    is missing."""
    if not has_population(resumed):
        return
    _check(resumed)
    members = resumed.members
    if members is not None and resumed.trials != members:
        raise ExperimentError(
            f"the population began with {members} members, and {resumed.trials} would be another "
            "one: who comes late is compared with nobody",
            field="trials",
            way_out="drop it, or start a new study",
        )


def _check(experiment: Experiment) -> None:
    name, model = said(experiment.scheduler), experiment.objective

    def refused(why: str, way_out: str) -> ExperimentError:
        return ExperimentError(f"{name!r} {why}", field="scheduler", way_out=way_out)

    if experiment.mode != "search":
        raise refused(
            f"changes parameters as it trains, and mode {experiment.mode!r} trains the points that "
            "it was given",
            "take `mode` search, or another scheduler",
        )
    if experiment.repeats > 1:
        raise refused(
            f"copies the weights of one training, and a trial has {experiment.repeats}",
            "drop `repeats`",
        )
    if not isinstance(model, KerasModel):
        raise refused(
            f"copies weights between trials, and {experiment.name} trains by a function of its own",
            "declare it as a KerasModel, or take asha",
        )
    if model.callbacks is not None:
        raise refused(
            "copies weights between trials, and cannot copy what the model's own callbacks "
            "remember",
            "drop them, or take asha",
        )
    if experiment.confirm:
        raise refused(
            "gives a schedule of parameters, and what is confirmed is one point of them",
            "drop `confirm`, and train the winner's schedule again by `refit`",
        )
    if experiment.stop != "trials":
        raise refused(
            f"ends when its members have, and `stop` is {experiment.stop!r}", "drop `stop`"
        )

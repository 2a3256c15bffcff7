"""Schedulers by name, each imported when it is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from tuner.errors import ExperimentError
from tuner.registry import Registry, said
from tuner.schedulers.contract import Pausing, Scheduler

SCHEDULERS = Registry(
    "scheduler",
    {
        "rung_gp": "tuner.schedulers.rung_gp:RungGP",
        "asha": "tuner.schedulers.asha:Asha",
        "asha_stopping": "tuner.schedulers.asha_stopping:AshaStopping",
        "median": "tuner.schedulers.median:Median",
        "hyperband": "tuner.schedulers.hyperband:Hyperband",
        "pbt": "tuner.schedulers.pbt:Pbt",
        "none": "tuner.schedulers.contract:NeverStop",
    },
    "tuner.schedulers",
)
"""Where each scheduler stands. One line here makes one of ours known everywhere."""
BOUND = ("last_epoch", "members", "space", "seed")
"""What is the study's own where a scheduler, which is a dataclass, says None."""


def make_scheduler(
    given: str | Scheduler, options: Mapping[str, Any], last_epoch: int | None, goals: int = 1
) -> Scheduler:
    """A scheduler of a study whose trials train `last_epoch` epochs at most (None: nothing says).

    The study has so many `goals`.

    `given` is a name or a scheduler; a named one takes those of the `options` that it has.
    Raises ExperimentError where it can't work in that study.
    """
    scheduler: Any = SCHEDULERS.made(given, options) if isinstance(given, str) else given
    if is_dataclass(scheduler) and not isinstance(scheduler, type):
        known = {**options, "last_epoch": last_epoch}
        left_open = {f.name for f in fields(scheduler) if getattr(scheduler, f.name) is None}
        scheduler = replace(
            scheduler, **{name: known[name] for name in BOUND if name in left_open & known.keys()}
        )
    check_scheduler(scheduler)
    if goals > 1 and not getattr(scheduler, "several_goals", False):
        raise ExperimentError(
            f"{said(given)!r} judges by one metric, and there are {goals}",
            field="scheduler",
            way_out="take asha, which goes by non-dominated ranks, or none",
        )
    return scheduler  # type: ignore[no-any-return]


def check_scheduler(scheduler: Any) -> None:
    """Raises ExperimentError, naming its class, for what can't be a scheduler."""
    name = type(scheduler).__name__
    if not callable(getattr(scheduler, "judge", None)):
        raise ExperimentError(
            f"scheduler {scheduler!r} has no method judge(cell, epoch, loss, board); give a name, "
            f"one of {', '.join(SCHEDULERS.names())}, or an object that has it"
        )
    for trait in ("has_rungs", "pauses"):
        if not isinstance(getattr(scheduler, trait, None), bool):
            raise ExperimentError(
                f"scheduler {name} does not say by {trait} what it is; set it to True or False in "
                "the class"
            )
    if scheduler.pauses and not isinstance(scheduler, Pausing):
        raise ExperimentError(
            f"scheduler {name} says that it pauses, and has no method promote(board) to go on by; "
            "give it one, or set pauses = False"
        )
    if hasattr(scheduler, "check"):
        scheduler.check()

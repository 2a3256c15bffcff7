"""What a run is asked for: an experiment, its overrides, and the place of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuner.experiment.experiment import Experiment
from tuner.runner.enqueue import Given
from tuner.store.loggers import Logger
from tuner.store.passwords import Ask


@dataclass(frozen=True)
class Request:
    """One run. `experiment` is an Experiment, or what the command line takes.

    `overrides` are fields of the Experiment; a sampler or scheduler there counts as typed. `sets`
    narrow axes (`name=low..high`). `resume` goes on with `study`, or with the newest one.
    `enqueue` is a file, a study's folder, points or a DataFrame, which a new study tries first.
    `loggers` hear of the study, by name or as objects. `ask` asks on the terminal for the password
    that `***` stands for in `storage`.
    """

    experiment: str | Experiment
    results: str = "results"
    study: str | None = None
    resume: bool = False
    address: str | None = None
    storage: str | None = None
    ask: Ask | None = None
    sets: tuple[str, ...] = ()
    enqueue: Given = None
    loggers: Sequence[str | Logger] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)

"""The messages of a study: cells, decisions, outcomes and states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from tuner.trial.shipped_params import shipped


class Decision(StrEnum):
    """What the study answers to a report.

    PAUSE sets the cell aside, untold, and frees its slot; an `ask` may give it out again.
    """

    CONTINUE = "CONTINUE"
    STOP = "STOP"
    PAUSE = "PAUSE"


class State(StrEnum):
    """What became of a trial; what each means is in `tuner.study.study`."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    STOPPED = "STOPPED"
    DIVERGED = "DIVERGED"
    FAILED = "FAILED"


class CellKey(NamedTuple):
    """What tells a cell from all others of a study; both count from 0."""

    trial: int
    fold: int


@dataclass(frozen=True)
class Segment:
    """What trained a part of a schedule, up to epoch `until`: a trial, its point, and its seed."""

    trial: int
    until: int
    params: Mapping[str, Any]
    seed: int

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "params": shipped(self.params)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@dataclass(frozen=True)
class Kin:
    """What a member of a population is told of the others.

    `schedule` is what trained its weights before it began, the earliest first. After `every` so
    many epochs its weights are kept for trials that go on from them; with None it keeps none, and
    takes none from others' files. Its weights must have the same shapes where each of the axes
    `explored` has another value: at the point `other`.
    """

    schedule: tuple[Segment, ...] = ()
    every: int | None = None
    explored: tuple[str, ...] = ()
    other: Mapping[str, Any] = field(default_factory=dict)

    @property
    def born(self) -> int:
        """The epochs that others have trained before it began."""
        return self.schedule[-1].until if self.schedule else 0

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "other": shipped(self.other)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


@dataclass(frozen=True)
class Cell:
    """One trial on one fold: the unit of work that an engine places on a worker.

    `trial`, `fold` count from 0, `attempt` from 1. `params` holds the active parameters,
    constants included. `seed` fits in 32 bits, as Keras and NumPy want it. `epochs` is the most
    that it may train, None where nothing says. `start` is the epochs that it trained before it
    was paused: an engine that has lost its state trains it again from epoch 1. A member of a
    population has `kin`: the first epochs of it may be those of others.
    """

    trial: int
    attempt: int
    fold: int
    params: Mapping[str, Any]
    seed: int
    epochs: int | None
    start: int = 0
    kin: Kin | None = None

    @property
    def key(self) -> CellKey:
        """The cell's trial and fold."""
        return CellKey(self.trial, self.fold)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "params": shipped(self.params)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class Ending(StrEnum):
    """How a cell's work ended, as its worker (or the engine, for a death) saw it."""

    FINISHED = "finished"
    RAISED = "raised"
    DIED = "died"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Outcome:
    """The end of a cell. `error` is the text kept for the user (a traceback where it raised).

    `worker` is the number, on its host, of the process that trained it. `returned` holds the
    metrics that a function returned which had reported nothing; `read_epochs` is the trial's.
    `log` is what the cell printed. `setup_s` went by until its first `model.fit` began, `trace_s`
    until that had its programs: None where that is not known. `trained_by` is "program", "lanes" or
    "fit", empty where no Keras model was fitted; `trained_why` says why it was Keras' own fit.
    `hopeless` says that it raised what every trial of the study would.
    """

    ending: Ending
    error: str | None = None
    duration_s: float = 0.0
    peak_rss_mb: float = math.nan
    host: str = ""
    worker: str = ""
    returned: Mapping[str, float] | None = None
    read_epochs: bool = True
    log: str = ""
    trained_by: str = ""
    trained_why: str = ""
    setup_s: float | None = None
    trace_s: float | None = None
    hopeless: bool = False


class By(NamedTuple):
    """Who trains a cell, as far as is known: at which host, and an Outcome's `trained_by`,
    `trained_why` and `worker`, and its seconds `setup_s` and `trace_s`."""

    host: str = ""
    trained_by: str = ""
    trained_why: str = ""
    worker: str = ""
    setup_s: float | None = None
    trace_s: float | None = None

    def named(self) -> dict[str, Any]:
        """What an Outcome says of it, by name."""
        return self._asdict()


NOBODY = By()


Reported = tuple[int, dict[str, float], float]
"""Epoch, metrics, seconds since the cell began."""


RESERVED_COLUMNS = (
    "trial",
    "fold",
    "epoch",
    "time_s",
    "decision",
    "order",
    "at",
    "study",
    "rung",
    "why",
    "worker",
)
"""Columns of the reports table that no metric may be called."""

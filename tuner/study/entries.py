"""What happens to a study, as entries of its log: its state is what they say, applied in order.

A live study decides, keeps what it decided, and applies it; a resume applies what was kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.store.report import Report
from tuner.study.cell_result import CellResult
from tuner.study.lineage import Parent
from tuner.trial.cells import Cell, CellKey


@dataclass(frozen=True)
class Opened:
    """An attempt of a trial: the first with its point, a later one to start over what is open.

    `window` counts the windows of a deterministic study from 0. `leader` is the trial whose
    training it is to share, `parent` the one whose weights it goes on from.
    """

    trial: int
    attempt: int
    attempt_id: int
    params: Mapping[str, Any]
    window: int = 0
    leader: int | None = None
    parent: Parent | None = None


@dataclass(frozen=True)
class Asked:
    """A cell was given out, `at` seconds since the Unix epoch; with a `start` it goes on.

    `shared_with` is the trial whose reports it only copies.
    """

    cell: Cell
    at: float
    shared_with: int | None = None


@dataclass(frozen=True)
class Promoted:
    """A paused trial is to go on, in a window."""

    trial: int
    window: int = 0


@dataclass(frozen=True)
class Closed:
    """A window all of whose trials wait for others is closed, though no cell of it ended."""


@dataclass(frozen=True)
class Told:
    """A cell ended. `died` says that its worker did, `no_retry` that its trial gets no new attempt,
    `read_epochs` that its training asked how many epochs it would take."""

    key: CellKey
    result: CellResult
    died: bool = False
    no_retry: bool = False
    read_epochs: bool = False


Entry = Opened | Asked | Promoted | Report | Told | Closed

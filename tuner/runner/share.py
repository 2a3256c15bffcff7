"""A run's part of a cluster that other studies use too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getuser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.cluster.session import Runtime
from tuner.errors import EngineError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import cells_per_trial
from tuner.samplers.registry import GRID
from tuner.search_space.grid import grid_points
from tuner.search_space.space import SearchSpace
from tuner.study.study import Study

if TYPE_CHECKING:
    from tuner.sharing.lease import Lease, Progress

USER = "TUNER_USER"
"""Names the user to others on a cluster: a claim, which nobody checks."""
WAIT_S = 1.0
"""How often to look whether slots have come."""
SAY_EACH = 15
"""Waits between two lines that say what is waited for, where it has changed."""


def user_name() -> str:
    """Who runs this, as others on the cluster see it."""
    named = os.environ.get(USER)
    if named:
        return named
    try:
        return getuser()
    except (KeyError, OSError):  # a container without names
        return str(os.getuid())


def tuner_version() -> str:
    """The version of tuner, for those who look at a cluster."""
    try:
        return version("tuner")
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def given_back(runtime: Runtime) -> Iterator[None]:
    """Give a run's slots back at its end."""
    try:
        yield
    finally:
        if runtime.lease is not None:
            runtime.lease.close()


def join(
    settled: Experiment, path: Path, runtime: Runtime, address: str, say: Callable[[str], None]
) -> None:
    """Ask the broker of a cluster for slots, and wait until the study may hold enough of them.

    Raises EngineError where the cluster never has as many as it needs at least.
    """
    from tuner.sharing.lease import Lease, Wish

    fits = runtime.concurrency
    if settled.min_slots > fits:
        raise EngineError(
            f"{settled.min_slots} slots are more than the {fits} that this run could ever hold",
            field="min_slots",
            way_out="lower it, or what a trial takes",
        )
    wish = Wish(
        study=path.name,
        user=user_name(),
        slot=runtime.bundle,
        weight=settled.weight,
        least=settled.min_slots,
        most=runtime.most,
        alone=fits,
        version=tuner_version(),
        address=address,
        results=str(path),
    )
    lease = Lease(wish, wanted=_cells(settled), say=say)
    runtime.lease = lease
    lease.start()
    _wait(lease, say)


def _wait(lease: Lease, say: Callable[[str], None]) -> None:
    from tuner.sharing.words import waiting

    said, waits = "", 0
    while not lease.wait(WAIT_S):
        line = waiting(lease.answer, lease.wish.least)
        if lease.answer is not None and line != said and waits % SAY_EACH == 0:
            say(line)
            said = line
        waits += lease.answer is not None


def follow(lease: Lease, study: Study) -> None:
    """Let those who look at the cluster see how far the study is."""
    metric, cells = study.metric, cells_per_trial(study.experiment)

    def progress() -> Progress:
        from tuner.sharing.lease import Progress

        done, best = study.total_ended(), study.best()
        words = "" if best is None or best.value is None else f"{metric} {best.value:.4g}"
        return Progress(done, study.total, words, study.left() * cells)

    lease.progress = progress


def _cells(settled: Experiment) -> int:
    """How many cells a new study has."""
    space = SearchSpace(settled.space)
    points = len(grid_points(space)) if settled.sampler == GRID else settled.trials
    return points * cells_per_trial(settled)

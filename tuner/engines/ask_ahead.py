"""Asking ahead: a slow sampler thinks while the workers train."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import scheduler_of
from tuner.trial.cells import Cell

ASK_WAIT_S = 0.05
"""How long a slow ask may hold up the reports of other workers, at a time."""


def asks_ahead(experiment: Experiment, workers: int) -> bool:
    """Whether to ask for the next cell before a worker is free for it.

    Not where a scheduler pauses trials: who goes on is decided when a worker is free.
    """
    if workers == 1 or experiment.deterministic:
        return False
    return not scheduler_of(experiment).pauses


class Asks(Protocol):
    """The part of a study that proposes."""

    def ask(self) -> Cell | None: ...


class Proposals:
    """Cells from `study.ask`, one of them ahead where `ahead` is true.

    Only one: the more is asked ahead, the less of what was told does a proposal know.
    """

    def __init__(self, study: Asks, *, ahead: bool) -> None:
        self._study = study
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ask") if ahead else None
        self._next: Future[Cell | None] | None = None

    def take(self, wait_s: float | None) -> Cell | None:
        """The next cell; None if there is none, or if it takes longer than `wait_s`.

        Raises what `study.ask` raised.
        """
        if self._thread is None:
            return self._study.ask()
        asked_ahead = self._next is not None
        cell = self._result(wait_s)
        if cell is None and asked_ahead and self._next is None:
            cell = self._result(wait_s)  # there was none when it was asked; there may be one now
        if cell is not None:
            self._next = self._thread.submit(self._study.ask)
        return cell

    def _result(self, wait_s: float | None) -> Cell | None:
        assert self._thread is not None
        self._next = self._next or self._thread.submit(self._study.ask)
        try:
            cell = self._next.result(wait_s)
        except TimeoutError:
            if not self._next.done():
                return None
            raise  # the study's own
        self._next = None
        return cell

    @property
    def thinking(self) -> bool:
        """Whether an ask is in progress, so that a cell may come of it."""
        return self._next is not None

    def close(self) -> None:
        """End the thread, after the ask in progress."""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

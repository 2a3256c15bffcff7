"""A thread that trains cells in a worker's process, and waits at each report for the decision.

A worker has one that trains, and one for each training that is paused: parked in its report, with
all that it has built. One trains at a time.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto
from typing import NamedTuple

from tuner.programs.fit import who_trains
from tuner.tracebacks import failure_text
from tuner.training.globals_internals import CLEARING, set_aside
from tuner.training.output import Captured, captured
from tuner.training.started import Started
from tuner.trial.cells import NOBODY, By, Cell, Decision, Ending, Outcome
from tuner.trial.trial import TrialStopped

ALIVE_S = 1.0
"""How often a worker that waits for its training looks whether that is still alive."""

Send = Callable[[int, dict[str, float], float], Decision]
"""Carries a report (epoch, metrics, seconds trained) to the study, and its decision back."""


class Epoch(NamedTuple):
    """What a training says after an epoch: its report, and who trains it."""

    epoch: int
    metrics: dict[str, float]
    time_s: float
    by: By = NOBODY


class Beside(Enum):
    """What else is said between a worker and its trainer."""

    WARM_UP = auto()
    WARM = auto()
    PARKED = auto()
    GIVEN_UP = auto()


class Trainer:
    """Trains the cells that it is given, one after another, on a thread of its own."""

    def __init__(
        self,
        train: Callable[[Cell, Send], Outcome],
        host: Callable[[], str],
        warm_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`train(cell, send)` carries a cell out; `host` says at which address; `warm_up` is what
        can be done ahead of the first cell."""
        self._carry_out = train
        self._host = host
        self._warm_up = warm_up
        self._inbox: queue.SimpleQueue[Cell | Decision | Beside | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Epoch | Outcome | Beside] = queue.SimpleQueue()
        self._said = Captured()
        self._started = Started()
        self._thread = threading.Thread(target=self._run, name="training", daemon=True)
        self._thread.start()

    def warm_up(self) -> None:
        """Import ahead of the first cell what it needs."""
        self._inbox.put(Beside.WARM_UP)
        self._hear()

    def say(self, what: Cell | Decision) -> Epoch | Outcome:
        """Give it a cell, or the decision on its last report; what it reports next, or its end."""
        self._inbox.put(what)
        said = self._hear()
        assert not isinstance(said, Beside)
        return said

    def park(self) -> None:
        """Set its training aside after its last report, so that others may train."""
        self._inbox.put(Decision.PAUSE)
        self._hear()

    def give_up(self) -> None:
        """End the training that is parked, whatever it holds, by an exception from its report."""
        self._inbox.put(Beside.GIVEN_UP)
        self._hear()

    def close(self) -> None:
        """End the thread, which has no training."""
        self._inbox.put(None)

    def _hear(self) -> Epoch | Outcome | Beside:
        while True:
            try:
                return self._outbox.get(timeout=ALIVE_S)
            except queue.Empty:
                if not self._thread.is_alive():  # then nothing would ever come
                    raise RuntimeError("the training thread ended; see this worker's log") from None

    def _run(self) -> None:
        from tuner.training.process import clear_worker

        while True:
            cell = self._inbox.get()
            if cell is None:
                return
            if cell is Beside.WARM_UP:
                self._warm_up()
                self._outbox.put(Beside.WARM)
                continue
            assert isinstance(cell, Cell)
            with CLEARING:  # another trainer's last cell may still be
                pass
            try:
                outcome = self._train(cell)
            except BaseException as error:  # noqa: BLE001  # it ends this cell, not the worker
                outcome = Outcome(Ending.RAISED, failure_text(error))
            self._started.end()
            with CLEARING:
                self._outbox.put(replace(outcome, host=self._host()))
                clear_worker()  # while the driver finds the next cell

    def _train(self, cell: Cell) -> Outcome:
        self._started = Started()
        with captured() as self._said:
            outcome = self._carry_out(cell, self._send)
        return replace(outcome, log=self._said.text)

    def _send(self, epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        """The decision on a report; PAUSE where the training was set aside and goes on now."""
        who = who_trains()
        by = By(self._host(), who.by, who.why, str(os.getpid()), who.setup_s, who.trace_s)
        self._outbox.put(Epoch(epoch, metrics, time_s, by))
        answer = self._inbox.get()
        if answer is Decision.PAUSE:
            with self._said.set_aside(), self._started.set_aside(), set_aside():
                self._outbox.put(Beside.PARKED)
                answer = self._inbox.get()
                with CLEARING:
                    pass
            if answer is Beside.GIVEN_UP:
                raise TrialStopped
            return Decision.STOP if answer is Decision.STOP else Decision.PAUSE
        assert isinstance(answer, Decision)
        return answer

"""The study: the brain of a search. It decides everything; engines only carry.

    ask     -> the next cell to run: a retry, an open trial's next fold, a paused trial, a new point
    report  -> CONTINUE, STOP or PAUSE, by the scheduler
    tell    -> what became of the cell, and so of its trial

A trial ends COMPLETE (it reached its last epoch), STOPPED (by the scheduler, or paused when the
study or its run ended), DIVERGED (the searched metric was NaN or infinite) or FAILED (it raised,
more often than `retries` allows). What happens is decided, kept, and applied: `apply` is the one
door to the state, and a resume goes through it too. It is plain Python over the ledger: no Ray, no
TensorFlow, any engine, any clock.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tuner.clock import steady_time
from tuner.curve_model.sources import NOTHING, Learned
from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import last_epoch, scheduler_of
from tuner.gain import Outlook
from tuner.registry import said
from tuner.schedulers.contract import Populating
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.report import Report
from tuner.store.tables import Recorder
from tuner.study import attempts
from tuner.study.entries import Asked, Closed, Entry
from tuner.study.keeping import keep
from tuner.study.opening import promote, propose
from tuner.study.points import Proposals
from tuner.study.population import renew, with_kin
from tuner.study.record import Record, ranked
from tuner.study.reporting import decide
from tuner.study.shared_training import Followers, leaders
from tuner.study.state import StudyState
from tuner.study.stopping import outlook_of
from tuner.study.winding_up import lay_aside, wind_up
from tuner.trial.cells import NOBODY, By, Cell, Decision, Outcome, State


class Study(StudyState):
    """The trials of one experiment; without a `recorder` no table is written (simulations).

    The first trials take the points `enqueued`; what these leave out is the sampler's.
    `clock` gives seconds since the Unix epoch. `on_change(record)` is called, with the study's
    lock held, when a trial starts and when it ends. `learned` are the trials of earlier studies.
    """

    def __init__(
        self,
        experiment: Experiment,
        ledger: Ledger,
        *,
        recorder: Recorder | None = None,
        enqueued: Sequence[Mapping[str, Any]] = (),
        clock: Callable[[], float] = steady_time,
        on_change: Callable[[Record], None] = lambda record: None,
        learned: Learned = NOTHING,
    ) -> None:
        self.scheduler = scheduler_of(experiment, learned)
        self.ledger = ledger
        self.proposals = Proposals(experiment, ledger, enqueued, learned)
        points = self.proposals.points
        space = SearchSpace(experiment.space)
        self.has_population = isinstance(self.scheduler, Populating)
        # Two members of one point may have weights of different origin.
        shares = self.proposals.remembered and not self.has_population
        followers = Followers(leaders(experiment, points or ()), space, finite=shares)
        super().__init__(experiment, followers, windowed=self.proposals.windowed)
        self.recorder = recorder or Recorder(None, self.space, said(experiment.engine))
        self.recorder.goals, self.recorder.constrained = len(self.goals), self.constrained
        self.recorder.population = self.has_population
        self.clock = clock
        self.on_change = on_change
        self.started = clock()
        self.abort: StudyError | None = None
        self._proposing = 0
        self._looked: tuple[int, Outlook | None] | None = None
        self._asking = threading.Lock()
        self._lock = threading.RLock()

    def apply(self, entry: Entry) -> None:
        """Change the state as an entry says; nothing is decided and nothing is written."""
        with self._lock:
            super().apply(entry)

    # ------------------------------------------------------------------ ask

    def ask(self) -> Cell | None:
        """The next cell to run; None when there is none to start right now."""
        with self._asking:
            while True:
                with self._lock:
                    cell, numbers = self._next()
                    self._proposing = len(numbers)
                    if not cell and not numbers:
                        wind_up(self)
                if not numbers:
                    return cell
                try:
                    for number in numbers:
                        propose(self, number)  # slow samplers think here, while reports go on
                finally:
                    self._proposing = 0

    @property
    def total(self) -> int:
        """How many trials there are to be, those that a scheduler has begun among them."""
        return max(self.proposals.total, len(self.records))

    @property
    def finished(self) -> bool:
        """Whether the run is over: nothing in flight and nothing to start, or a limit reached."""
        limit = self.experiment.time_limit
        if self.abort or (limit is not None and self.clock() - self.started >= limit):
            return True
        with self._lock:
            return not self.is_busy() and not self.board.paused

    def is_busy(self) -> bool:
        """Whether anything runs, waits to run, or is still to be proposed."""
        going = self.out or self.queue.waits or self.window or self._proposing
        return bool(going) or self._proposes()

    def _proposes(self) -> bool:
        """Whether another point is to be tried: some are left, and it has not converged."""
        if len(self.records) >= self.total:
            return False
        outlook = self.outlook()
        return outlook is None or not outlook.converged

    def left(self) -> int:
        """How many trials are still to end, those not yet proposed among them."""
        with self._lock:
            ahead = self.total if self._proposes() else len(self.records)
            return ahead - self.total_ended()

    def outlook(self) -> Outlook | None:
        """What more trials would gain; None unless the search ends by that."""
        with self._lock:
            now = self.board.version
            if self._looked is None or self._looked[0] != now:
                self._looked = now, outlook_of(self.experiment, self.board)
            return self._looked[1]

    def _next(self) -> tuple[Cell | None, range]:
        """The next cell, or the trials to propose before there is one."""
        if self.finished:
            return None, range(0)
        renew(self)
        if self.windowed:  # a window is filled before any of it is given out
            promote(self)
            numbers = self._next_numbers()
            cell = None if numbers else self._give_next()
            if numbers or cell is not None or not self.window_is_done:
                return cell, numbers
            self.apply(Closed())
            attempts.tell_ledger(self)
            return self._next()
        cell = self._give_next()
        if cell is None and promote(self):
            cell = self._give_next()
        return cell, range(0) if cell else self._next_numbers()

    def _give_next(self) -> Cell | None:
        found = self.queue.next()
        if found is None:
            return None
        record, fold = found
        cell = with_kin(self, self.cell(record, fold))
        self.apply(Asked(cell, self.clock()))
        self.on_change(record)
        return cell

    def cell(self, record: Record, fold: int) -> Cell:
        """A trial's cell, as it is given out now."""
        epochs = last_epoch(self.experiment, record.params)
        return record.cell(fold, self.seed(record.params, fold), epochs)

    def _next_numbers(self) -> range:
        """The trials to propose now: one; a window; all, where trials share a training."""
        first = len(self.records)
        if not self._proposes():
            return range(0)
        if self.followers.following and self.proposals.points is not None:
            return range(first, self.total)
        count = 1 if not self.windowed else self.experiment.window - len(self.window)
        return range(first, min(first + count, self.total))

    # --------------------------------------------------------------- report

    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float, by: By = NOBODY
    ) -> Decision:
        """Take a report and decide: CONTINUE, STOP or PAUSE the cell, which `by` trains.

        An epoch that was taken already, of a cell that is trained again after it was paused, says
        nothing new. Of metrics that are not searched, those that are not finite are left out.
        """
        with self._lock:
            open_cell = self.open[cell.key]
            open_cell.by = by
            if epoch <= open_cell.epochs:
                if epoch == open_cell.epochs:
                    open_cell.ahead_s = max(0.0, open_cell.time_s - time_s)
                return Decision.CONTINUE if open_cell.end is None else Decision.STOP
            if not open_cell.metrics:
                self.ledger.sync()  # first: no report without its attempt, after a power cut either
            return decide(self, open_cell, epoch, metrics, time_s + open_cell.ahead_s)

    def take(self, report: Report) -> None:
        """Keep a report that was decided on, and apply it."""
        keep(self, report)

    # ----------------------------------------------------------------- tell

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """Take the end of a cell: keep it, start it over, or close its trial."""
        with self._lock:
            if outcome.returned is not None:  # a report after which nothing is left to stop
                duration = outcome.duration_s
                decide(self, self.open[cell.key], 1, outcome.returned, duration, final=True)
            self.recorder.log(cell, outcome)
            attempts.end_cell(self, cell.key, outcome)
            wind_up(self)
            self.recorder.write(self.records)

    def give_up(self, error: StudyError) -> None:
        """End the run where it stands, whatever is in flight; `error` says why."""
        self.abort = self.abort or error

    # --------------------------------------------------------------- look on

    def counts(self) -> Counter[State]:
        """How many trials are in each state."""
        with self._lock:
            return Counter(record.state for record in self.records)

    def total_ended(self) -> int:
        """How many trials have ended."""
        return sum(self.counts().values()) - self.counts()[State.RUNNING]

    def best(self) -> Record | None:
        """The best trial so far; None if there is none."""
        return next(iter(self.ranked()), None)

    def ranked(self) -> list[Record]:
        """The trials that could be the best, the best first."""
        with self._lock:
            return ranked(self.records, self.cells)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While it holds, nothing of the study changes."""
        with self._lock:
            yield

    def close(self) -> None:
        """The run is over: write both tables, and let go of the log and the ledger.

        Trials that are still paused (a limit, or Ctrl-C, ended the run) read STOPPED in them, and a
        resume takes them up where they stand. Those in flight stay RUNNING.
        """
        with self._lock:
            if not (self.out or self.board.paused):
                self.recorder.forget_weights()
            lay_aside(self)
            self.recorder.close(self.records)
            self.ledger.disconnect()

    def save(self) -> None:
        """Bring both tables up to date, whatever was written last."""
        with self._lock:
            self.recorder.write(self.records, now=True)

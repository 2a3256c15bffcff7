"""The study: the brain of a search. It decides everything; engines only carry.

    ask     -> the next cell to run: a retry, an open trial's next fold, or a new point
    report  -> CONTINUE or STOP, by the scheduler
    tell    -> what became of the cell, and so of its trial

A trial ends COMPLETE (it reached its last epoch), STOPPED (by the scheduler), DIVERGED (a metric
was NaN or infinite) or FAILED (it raised, more often than `retries` allows). It is plain Python
over the ledger: no Ray, no TensorFlow, any engine, any clock.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuner.clock import steady_time
from tuner.errors import StudyError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import cells_per_trial, last_epoch
from tuner.schedulers.registry import make_scheduler
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger
from tuner.store.reports_table import Report
from tuner.store.tables import Recorder
from tuner.study.fold_racing import falls_behind, fold_losses
from tuner.study.points import Proposals
from tuner.study.record import Record
from tuner.study.running_cell import OpenCell
from tuner.study.seeds import cell_seed
from tuner.study.shared_training import Followers, Taken, leaders
from tuner.trial.cells import Cell, Decision, Ending, Outcome, State

DEATHS_ALLOWED = 2
FIRST_FAILURES = 3
"""When the first so many trials all fail, the run stops: more would fail alike. Not in a study of
which any trial went well before: --resume may run just those that fail."""


class Study:
    """The trials of one experiment; without a `recorder` no table is written (simulations).

    The first trials take the points `enqueued`; what these leave out is the sampler's.
    `clock` gives seconds since the Unix epoch. `on_change(record)` is called, with the study's
    lock held, when a trial starts and when it ends.
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
    ) -> None:
        self.experiment = experiment
        self.space = SearchSpace(experiment.space)
        self.records: list[Record] = []
        self.clock = clock
        self.on_change = on_change
        self.started = clock()
        self.abort: StudyError | None = None
        self.ledger = ledger
        self.scheduler = make_scheduler(experiment)
        self.proposals = Proposals(experiment, ledger, enqueued)
        self.total = self.proposals.total
        self.followers = Followers(leaders(experiment, self.proposals.points or ()))
        self.recorder = recorder or Recorder(None, self.space, experiment.engine)
        self.order = 0
        self.sign = -1.0 if experiment.direction == "maximize" else 1.0
        self.cells = cells_per_trial(experiment)
        self._open: dict[tuple[int, int], OpenCell] = {}
        self.queue: deque[Record] = deque()
        self.window: list[Record] = []
        self._proposing = 0
        self.incumbent: list[float] = []
        self._first_states: list[State] = []
        self._asking = threading.Lock()
        self._lock = threading.RLock()

    # ------------------------------------------------------------------ ask

    def ask(self) -> Cell | None:
        """The next cell to run; None when there is none to start right now."""
        with self._asking:
            while True:
                with self._lock:
                    cell = self._next_cell()
                    numbers = range(0) if cell or self.finished else self._next_numbers()
                    self._proposing = len(numbers)
                if not numbers:
                    return cell
                try:
                    for number in numbers:
                        self._propose(number)  # slow samplers think here, while reports go on
                finally:
                    self._proposing = 0

    @property
    def finished(self) -> bool:
        """Whether the run is over: nothing in flight and nothing to start, or a limit reached."""
        limit = self.experiment.time_limit
        if self.abort or (limit is not None and self.clock() - self.started >= limit):
            return True
        with self._lock:
            waiting = any(record.waiting for record in self.queue)
            busy = self._open or waiting or self.window or self._proposing
            return not busy and len(self.records) >= self.total

    def _next_numbers(self) -> range:
        """The trials to propose now: one; a window; all, where trials share a training."""
        first, window = len(self.records), self.experiment.window
        if self.followers.following:
            return range(first, self.total)
        if not self.proposals.windowed:
            return range(first, min(first + 1, self.total))
        if self.window and first % window == 0:
            return range(0)
        return range(first, min((first // window + 1) * window, self.total))

    def _propose(self, number: int) -> None:
        attempt_id, params = self.proposals.propose(number)
        with self._lock:
            record = Record(number, params, self.seed(params, 0), attempt_id)
            self.records.append(record)
            if number not in self.followers.following:
                self.enqueue(record)
            if self.proposals.windowed:
                self.window.append(record)

    def enqueue(self, record: Record) -> None:
        """Let a trial run all of its cells."""
        record.waiting = list(range(self.cells))
        self.queue.append(record)

    def _next_cell(self) -> Cell | None:
        if self.finished:
            return None
        while self.queue and not self.queue[0].waiting:
            self.queue.popleft()
        if not self.queue:
            return None
        record = self.queue[0]
        cell = self.open_cell(record, record.waiting.pop(0))
        self.on_change(record)
        return cell

    def open_cell(self, record: Record, fold: int, at: float | None = None) -> Cell:
        """Start a cell of a trial, now or as if it had been `at` another time."""
        now = self.clock() if at is None else at
        if record.started_at is None:
            record.started_at = now
        cell = Cell(
            trial=record.trial,
            attempt=record.attempt,
            fold=fold,
            params=record.params,
            seed=self.seed(record.params, fold),
            epochs=last_epoch(self.experiment, record.params),
        )
        record.running.add(fold)
        self._open[record.trial, fold] = OpenCell(cell, now)
        return cell

    def seed(self, params: Mapping[str, Any], index: int) -> int:
        """The seed of a point's cell number `index` (repeat * folds + fold)."""
        repeat, fold = divmod(index, self.experiment.folds)
        return cell_seed(self.experiment.seed, self.space.told_apart(params), fold, repeat)

    # --------------------------------------------------------------- report

    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float
    ) -> Decision:
        """Take a report and decide: CONTINUE, or STOP the cell."""
        return self._take(cell, epoch, metrics, time_s, final=False)

    def _take(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float, *, final: bool
    ) -> Decision:
        with self._lock:
            open_cell = self._open[cell.trial, cell.fold]
            if epoch <= open_cell.epochs and open_cell.end is None:
                return Decision.CONTINUE  # taken already: its engine lost it, and trains it again
            record = self.records[cell.trial]
            if not open_cell.metrics:
                self.ledger.sync()  # first: no report without its attempt, after a power cut either
            decision = self._decide(open_cell, record, epoch, metrics, final=final)
            self.followers.note(cell.trial, cell.fold, Taken(epoch, metrics, time_s))
            self.recorder.append(
                Report(
                    trial=cell.trial,
                    attempt=cell.attempt,
                    fold=cell.fold,
                    epoch=epoch,
                    time_s=time_s,
                    metrics=metrics,
                    decision=decision.value,
                    order=self.order,
                    at=self.clock(),
                )
            )
            self.order += 1
            value = open_cell.values.get(epoch)
            if self.cells == 1 and value is not None and math.isfinite(value):
                self.ledger.report(record.attempt_id, epoch, value)
            self.recorder.write(self.records)
            return decision

    def _decide(
        self,
        open_cell: OpenCell,
        record: Record,
        epoch: int,
        metrics: Mapping[str, float],
        *,
        final: bool,
    ) -> Decision:
        cell = open_cell.cell
        open_cell.take(epoch, metrics)
        if open_cell.end is not None:
            return Decision.STOP
        if record.ended_early:
            open_cell.end = State.STOPPED
            return Decision.STOP
        if not all(math.isfinite(value) for value in metrics.values()):
            return self._end_early(open_cell, record, State.DIVERGED)
        value = metrics.get(self.experiment.metric)
        if value is None:
            return Decision.CONTINUE
        open_cell.values[epoch] = value
        if final:
            return Decision.CONTINUE
        verdict = self.scheduler.report(
            cell.trial, cell.fold, epoch, self.sign * value, cell.epochs
        )
        if verdict.decision is Decision.STOP:
            return self._end_early(open_cell, record, State.STOPPED)
        open_cell.rung = verdict.rung or open_cell.rung
        return Decision.CONTINUE

    def _end_early(self, open_cell: OpenCell, record: Record, end: State) -> Decision:
        """The cell's end is the trial's: its other folds are stopped or never start."""
        open_cell.end = end
        record.ended_early = True
        record.waiting.clear()
        return Decision.STOP

    # ----------------------------------------------------------------- tell

    def tell(self, cell: Cell, outcome: Outcome) -> None:
        """Take the end of a cell: keep it, start it over, or close its trial."""
        with self._lock:
            if outcome.returned is not None:  # a report after which nothing is left to stop
                self._take(cell, 1, outcome.returned, outcome.duration_s, final=True)
            open_cell = self._open.pop((cell.trial, cell.fold))
            self.recorder.log(cell, outcome)
            record = self.records[cell.trial]
            record.running.discard(cell.fold)
            result = open_cell.result(outcome, self.experiment, self.clock())
            record.cells[cell.fold] = result
            record.note_start()
            if result.state is State.FAILED:
                record.note_failure(died=outcome.ending is Ending.DIED)
            if outcome.ending is Ending.TIMED_OUT:  # it would take as long again
                record.raises += self.experiment.retries
            self.recorder.sync()  # first: the ledger must promise no report that a power cut takes
            self.ledger.keep_cell(record.attempt_id, cell.fold, result.as_json())
            if outcome.read_epochs and outcome.ending is Ending.FINISHED:
                self.followers.cannot_share(cell.trial)
            if falls_behind(record, self.incumbent, self.sign, self.experiment.fold_racing):
                record.ended_early = True
                record.waiting.clear()
            if not record.running and not record.waiting:
                self._close_attempt(record)
            self.recorder.write(self.records)

    def _close_attempt(self, record: Record) -> None:
        """All cells of an attempt have ended: conclude the trial, or give it a new attempt."""
        state = record.conclusion(self.cells)
        if state is State.FAILED:
            allowed = record.raises <= self.experiment.retries and record.deaths <= DEATHS_ALLOWED
            if allowed:
                self.ledger.close(record.attempt_id, State.FAILED, None)
                self.start_over(record)
                return
        record.state = state
        self.recorder.finish(record.trial, record.cells)
        self.on_change(record)
        if len(self._first_states) < FIRST_FAILURES:
            self._check_first_failures(record)
        self._settle_followers(record)
        if record not in self.window:
            self.close(record)
        else:
            self.close_window_if_done()

    def _settle_followers(self, leader: Record) -> None:
        """Give the leader's followers their share of its reports, or let them train."""
        followers, reports = self.followers.release(leader.trial)
        whole = leader.state in (State.COMPLETE, State.DIVERGED) and len(reports) == self.cells
        for record in (self.records[number] for number in followers):
            if record.state is not State.RUNNING or record.waiting or record.running:
                continue
            if whole:
                self._share(leader, record, reports)
            else:
                self.enqueue(record)

    def _share(
        self, leader: Record, record: Record, reports: Mapping[int, Sequence[Taken]]
    ) -> None:
        record.shared_with = leader.trial
        self.ledger.keep(record.attempt_id, "shared_with", leader.trial)
        starts = {fold: cell.started_at for fold, cell in leader.cells.items()}
        cells = [self.open_cell(record, fold, starts[fold]) for fold in range(self.cells)]
        for cell in cells:
            for taken in reports[cell.fold]:
                if cell.epochs is not None and taken.epoch <= cell.epochs:
                    self.report(cell, *taken)
            self.tell(cell, Outcome(Ending.FINISHED, host=leader.cells[cell.fold].host))

    def close(self, record: Record) -> None:
        """Tell the ledger what became of a trial."""
        if self.cells > 1:
            folds = sorted(record.cells.items())
            values = [cell.value for _, cell in folds if cell.value is not None]
            for step in range(1, len(values) + 1):
                self.ledger.report(record.attempt_id, step, math.fsum(values[:step]) / step)
        self.ledger.close(record.attempt_id, record.state, record.value)
        self.note_incumbent(record)

    def note_incumbent(self, record: Record) -> None:
        """Let a COMPLETE trial be the one that others race against, if it is the best so far."""
        if record.state is State.COMPLETE:
            losses = fold_losses(record, self.sign)
            if not self.incumbent or sum(losses) < sum(self.incumbent):
                self.incumbent = losses

    def close_window_if_done(self) -> None:
        """Tell a whole window, in the order of its trials, and let its values count."""
        if any(record.state is State.RUNNING for record in self.window):
            return
        for record in sorted(self.window, key=lambda record: record.trial):
            self.close(record)
        self.window.clear()
        self.scheduler.close_window()

    def start_over(self, record: Record) -> None:
        """Open a new attempt, which runs the cells that failed or never ended."""
        done = {fold: cell for fold, cell in record.cells.items() if cell.state is State.COMPLETE}
        for fold in range(self.cells):
            if fold not in done:
                self.scheduler.withdraw(record.trial, fold)
                self.followers.forget(record.trial, fold)
                self.recorder.drop((record.trial, fold), record.attempt)
        record.attempt += 1
        record.state = State.RUNNING
        record.ended_early = False
        record.cells = done
        record.waiting = [fold for fold in range(self.cells) if fold not in done]
        attrs = {"trial": record.trial, "attempt": record.attempt}
        kept = {f"fold:{fold}": cell.as_json() for fold, cell in done.items()}
        record.attempt_id = self.ledger.open(self.space, record.params, {**attrs, **kept})
        self.queue.appendleft(record)

    def _check_first_failures(self, record: Record) -> None:
        self._first_states.append(record.state)
        went_well = any(r.state not in (State.RUNNING, State.FAILED) for r in self.records)
        if self._first_states == [State.FAILED] * FIRST_FAILURES and not went_well:
            self.abort = StudyError(
                f"the first {FIRST_FAILURES} trials all failed, so the run was stopped; "
                f"the last one's error: {_last_line(record.error)}"
            )
            self.abort.add_note(record.error or "")

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
        """The best COMPLETE trial; the earliest of equals; None if there is none."""
        with self._lock:
            complete = [record for record in self.records if record.state is State.COMPLETE]
            return min(complete, key=lambda r: self.sign * (r.value or 0.0), default=None)

    def save(self) -> None:
        """Bring both tables up to date, whatever was written last."""
        with self._lock:
            self.recorder.write(self.records, now=True)


def _last_line(error: str | None) -> str:
    lines = (error or "no reason was given").strip().splitlines()
    return lines[-1]

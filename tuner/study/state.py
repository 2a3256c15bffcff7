"""A study's state: what the entries of its log say, applied in order. Nothing is written here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tuner.experiment.experiment import Experiment
from tuner.experiment.goals import VIOLATION
from tuner.experiment.settle import cells_per_trial
from tuner.schedulers.board import Board
from tuner.search_space.space import SearchSpace
from tuner.store.report import Report
from tuner.study.constraints import UNKNOWN
from tuner.study.entries import Asked, Closed, Entry, Opened, Promoted, Told
from tuner.study.fold_racing import order_of_folds
from tuner.study.queue import Queue
from tuner.study.record import Record
from tuner.study.running_cell import OpenCell, lost_metric
from tuner.study.seeds import cell_seed
from tuner.study.shared_training import Followers
from tuner.study.windows import Windows
from tuner.trial.cells import CellKey, Decision, State

DEATHS_ALLOWED = 2


class StudyState(Windows):
    """The trials, the cells that have not ended, the board, the queue and the open window.

    `windowed` says whether trials are asked and told in windows. `order` is how many reports there
    were.
    """

    def __init__(self, experiment: Experiment, followers: Followers, *, windowed: bool) -> None:
        self.experiment = experiment
        self.space = SearchSpace(experiment.space)
        self.goals = experiment.goals
        self.metric = self.goals[0].metric
        self.sign = self.goals[0].sign
        self.constrained = experiment.constraints is not None
        cells = cells_per_trial(experiment)
        board = Board(folds=cells, windowed=experiment.deterministic, goals=len(self.goals))
        super().__init__(cells, board, followers)
        self.windowed = windowed
        self.queue = Queue(one_by_one=windowed)
        self.order = 0
        self.open: dict[CellKey, OpenCell] = {}
        self.out: set[CellKey] = set()
        self.untold: list[Record] = []

    def apply(self, entry: Entry) -> None:
        """Change the state as an entry says."""
        match entry:
            case Opened() if entry.trial < len(self.records):
                self._start_over(entry)
            case Opened():
                self._open_trial(entry)
            case Asked():
                self._give_out(entry)
            case Promoted():
                self._go_on(entry)
            case Report():
                self._take(entry)
            case Told():
                self._end_cell(entry)
            case Closed():
                self.close_window()

    def seed(self, params: Mapping[str, Any], index: int) -> int:
        """The seed of a point's cell number `index` (repeat * folds + fold)."""
        repeat, fold = divmod(index, self.experiment.folds)
        return cell_seed(self.experiment.seed, self.space.told_apart(params), fold, repeat)

    def may_retry(self, record: Record) -> bool:
        """Whether a trial that failed gets a new attempt."""
        return record.raises <= self.experiment.retries and record.deaths <= DEATHS_ALLOWED

    def waits(self, record: Record) -> bool:
        """Whether a trial follows one that was not even opened yet."""
        leader = self.followers.following.get(record.trial)
        return leader is not None and leader >= len(self.records) and not record.cells

    # ------------------------------------------------------------- what entries do

    def _open_trial(self, entry: Opened) -> None:
        record = Record(
            entry.trial,
            dict(entry.params),
            self.seed(entry.params, 0),
            entry.attempt_id,
            attempt=entry.attempt,
            sign=self.sign,
            takes_best=self.experiment.value == "best",
            parent=entry.parent,
        )
        self.records.append(record)
        if entry.parent is None:
            self.board.enter(record.trial, record.params)
        else:
            record.held[0] = entry.parent.epoch
            replaces = entry.parent.replaces
            self.board.enter(record.trial, record.params, entry.parent.epoch, replaces)
            self.records[replaces].why = entry.parent.why
        self.followers.enter(record.trial, record.params, entry.leader)
        if self.windowed:
            self.join_window(record, entry.window)
        if record.trial not in self.followers.following:
            self.run_all(record)
        elif entry.leader is not None:
            self._let_train(self.records[entry.leader], [record])

    def _let_train(self, leader: Record, followers: Iterable[Record]) -> None:
        """Trials that can't share their leader's training, which has ended, train themselves."""
        if leader.state is State.RUNNING:
            return
        for record in followers:
            mine = self.leader_of(record) is leader
            if mine and self.followers.reports(leader, record) is None:
                self.run_all(record)

    def run_all(self, record: Record) -> None:
        """Let a trial run all of its cells."""
        rule = self.experiment.fold_racing
        record.waiting = order_of_folds(self.cells, self.incumbent, rule)
        self.queue.append(record)
        if self.windowed and record not in self.window:
            self.join_window(record, self.windows)

    def _start_over(self, entry: Opened) -> None:
        """The cells that failed or never ended start over, from where they were last paused."""
        record = self.records[entry.trial]
        record.attempt, record.attempt_id = entry.attempt, entry.attempt_id
        if record in self.untold:
            self.untold.remove(record)
        record.cells = {
            fold: cell for fold, cell in record.cells.items() if cell.state is State.COMPLETE
        }
        order = order_of_folds(self.cells, self.incumbent, self.experiment.fold_racing)
        again = [f for f in order if f not in record.cells and f not in record.paused]
        for fold in again:
            key, start = CellKey(record.trial, fold), record.held.get(fold, 0)
            self.board.withdraw(key, start)
            self.followers.forget(key, start)
            curve = record.curves.get(fold, {})
            for epoch in [epoch for epoch in curve if epoch > start]:
                del curve[epoch]
                record.scores.get(fold, {}).pop(epoch, None)
                record.violations.get(fold, {}).pop(epoch, None)
            self.open.pop(key, None)
            self.out.discard(key)
        record.running.clear()
        record.state = State.RUNNING
        record.ended_early = False
        record.waiting = again
        record.forget_value()
        self.queue.put_first(record)

    def _give_out(self, entry: Asked) -> None:
        cell = entry.cell
        record = self.records[cell.trial]
        if record.started_at is None:
            record.started_at = entry.at
        if entry.shared_with is not None:
            record.shared_with = entry.shared_with
        if cell.fold in record.waiting:
            record.waiting.remove(cell.fold)
        record.running.add(cell.fold)
        self.out.add(cell.key)
        open_cell = self.open.get(cell.key)
        if open_cell is not None:
            open_cell.cell = cell
            return
        curve = record.curves.setdefault(cell.fold, {})
        open_cell = self.open[cell.key] = OpenCell(cell, entry.at, curve, epochs=cell.start)
        open_cell.rung = self.board.last_rung(cell.key)
        open_cell.paused, open_cell.born = cell.start > record.born, record.born
        if len(self.goals) > 1:
            open_cell.scores = record.scores.setdefault(cell.fold, {})
        if self.constrained:
            open_cell.violations = record.violations.setdefault(cell.fold, {})

    def _go_on(self, entry: Promoted) -> None:
        record = self.records[entry.trial]
        self.board.go_on(entry.trial)
        record.waiting = sorted(record.paused)
        record.paused.clear()
        self.queue.append(record)
        if self.windowed:
            self.join_window(record, entry.window)

    def _take(self, entry: Report) -> None:
        self.order = max(self.order, entry.order + 1)
        open_cell, record = self.open[entry.key], self.records[entry.trial]
        open_cell.take(entry.epoch, entry.metrics, entry.time_s, entry.at)
        self.followers.note(entry)
        values = self.values_of(open_cell, entry.metrics)
        stops = entry.decision == Decision.STOP
        if open_cell.end is not None:
            return
        if record.ended_early:
            open_cell.end = State.STOPPED
        elif stops and (values is None or not all(map(math.isfinite, values))):
            metric = lost_metric([goal.metric for goal in self.goals], entry.metrics)
            value = entry.metrics.get(metric)
            open_cell.why = f"metric {metric!r} was {value} at epoch {entry.epoch}"
            self.board.diverge(record.trial)
            self._end_early(open_cell, record, State.DIVERGED)
        elif values is not None:
            self._count(entry, open_cell, record, values)

    def values_of(
        self, open_cell: OpenCell, metrics: Mapping[str, float]
    ) -> tuple[float, ...] | None:
        """The goals' values by a report; None where it has none of the first one.

        The others may be those that the cell reported last.
        """
        value = metrics.get(self.metric)
        if value is None or len(self.goals) == 1:
            return None if value is None else (value,)
        known = {**open_cell.metrics, **metrics}
        named = [known[goal.metric] for goal in self.goals if goal.metric in known]
        return tuple(named) if len(named) == len(self.goals) else None

    def loss_of(self, values: tuple[float, ...], violation: float) -> float:
        """The first goal's loss; infinite where the constraints are not kept."""
        return math.inf if violation > 0 else self.sign * values[0]

    def _count(
        self, entry: Report, open_cell: OpenCell, record: Record, values: tuple[float, ...]
    ) -> None:
        open_cell.values[entry.epoch] = values[0]
        violation, scores = 0.0, None
        if self.constrained and (violation := entry.metrics.get(VIOLATION, 0.0)) > 0:
            open_cell.violations[entry.epoch] = violation
            if violation >= UNKNOWN:
                open_cell.unknown = entry.why
        if len(self.goals) > 1:
            open_cell.scores[entry.epoch] = values
            losses = (goal.sign * v for goal, v in zip(self.goals, values, strict=True))
            scores = (tuple(losses), violation)
        record.forget_value()
        if record.shared_with is None:
            loss = self.loss_of(values, violation)
            self.board.note(entry.key, entry.epoch, loss, entry.rung, scores)
        if entry.decision == Decision.STOP:
            self._end_early(open_cell, record, State.STOPPED)
            return
        open_cell.rung = entry.rung or open_cell.rung
        if entry.decision == Decision.PAUSE and record.shared_with is None:
            open_cell.paused = True
            record.held[entry.fold] = entry.epoch
            record.running.discard(entry.fold)
            record.paused.add(entry.fold)
            self.out.discard(entry.key)
            self._look_at(record)

    def _end_early(self, open_cell: OpenCell, record: Record, end: State) -> None:
        """The cell's end is the trial's: its other folds are stopped or never start."""
        open_cell.end = end
        record.ended_early = True
        record.waiting.clear()

    def _end_cell(self, entry: Told) -> None:
        record, fold = self.records[entry.key.trial], entry.key.fold
        self.open.pop(entry.key, None)
        self.out.discard(entry.key)
        record.running.discard(fold)
        record.paused.discard(fold)
        record.cells[fold] = entry.result
        record.note_start()
        record.forget_value()
        if entry.result.state is State.FAILED:
            record.note_failure(died=entry.died)
        if entry.no_retry:
            record.raises += self.experiment.retries
        if entry.read_epochs:
            self.followers.cannot_share(record.trial)
        if entry.result.state in (State.STOPPED, State.DIVERGED) or entry.result.falls_behind:
            record.ended_early = True
            record.waiting.clear()
        self._look_at(record)

    def _look_at(self, record: Record) -> None:
        """A cell was paused or has ended: so may the trial be, and the window."""
        if record.set_aside:
            epochs = [self.open[CellKey(record.trial, fold)].rung for fold in record.paused]
            self.board.pause(record.trial, max(epochs))
        elif not (record.busy or record.paused) and not (record.failed and self.may_retry(record)):
            record.state = record.conclusion(self.cells)
            self.board.end(record.trial)
            record.forget_value()
            self.untold.append(record)
            if record not in self.window:
                self.note_incumbent(record)
            followers = self.followers.of(record.trial)
            self._let_train(record, [self.records[n] for n in followers if n < len(self.records)])
        self.close_window_if_done()

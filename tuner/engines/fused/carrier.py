"""What carries cells to the lanes of a crew, and their reports back, an epoch a call."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray

from tuner.engines.contract import Ended, Event, Reported
from tuner.engines.duties import FIRST_S, Deadlines, Places, say_not_forked
from tuner.engines.fused.checkpoints import checkpoint_of
from tuner.engines.fused.crew import Crew, Worker
from tuner.engines.fused.messages import Began, DiedIdle, Finished, Message, Worked
from tuner.engines.fused.share import Share
from tuner.engines.worker_death import NODE_DIED, cause_of_death
from tuner.forks.process import ProcessDied
from tuner.trial.cells import Cell, CellKey, Ending, Outcome

POLL_S = 1.0
"""How long to wait for a call that comes back, before deadlines and nodes are looked at."""


@dataclass(frozen=True)
class Paused:
    """A cell that is set aside: who had it, and what it goes on from, a `Checkpoint` that Ray keeps
    on that worker's node; or None, for one that is parked in the worker's process."""

    worker: Worker
    cell: Cell
    kept: Any


class LaneCarrier:
    """Holds up to `depth` cells a worker. One call of a worker is an epoch of all of its lanes.

    A worker that dies takes cells along that did it no harm. They are carried again, without a word
    to the study. Those that may have killed it are suspects, and each has a worker for itself from
    then on; one that was alone with its worker has killed it, and the study is told.
    """

    def __init__(self, crew: Crew, places: Places, depth: int) -> None:
        self.crew = crew
        self.depth = depth
        self.places = places
        self.deadlines = Deadlines(crew.experiment.trial_timeout)
        self._queue: deque[Cell] = deque()
        self._suspects: set[CellKey] = set()
        self._lost_before: set[CellKey] = set()
        self._paused: dict[CellKey, Paused] = {}
        self.share = Share(crew, places, self.deadlines)
        self.dry = False

    # ------------------------------------------------------------------ what `drive` calls

    @property
    def busy(self) -> bool:
        """Whether any worker holds a cell."""
        return any(worker.held for worker in self.crew.workers)

    def has_room(self) -> bool:
        self._assign()
        return not self._queue_is_ready() and bool(self._open())

    def start(self, cell: Cell) -> None:
        self._queue.append(cell)
        self._assign()

    def wait(self) -> Iterator[Event]:
        self._assign()
        self._call()
        calls = {w.call: w for w in self.crew.workers if w.call is not None}
        if calls:
            ended, _ = ray.wait(list(calls), num_returns=1, timeout=POLL_S)
        else:
            ended = []
            self.places.wait(POLL_S)
        for call in ended:
            yield from self._collect(calls[call])
        yield from self._end_late()
        kept = {worker: self._kept_at(worker) for worker in self.crew.workers}
        self._queue.extend(self.share.follow(len(self._queue), kept, dry=self.dry))

    def is_stale(self, event: Event) -> bool:
        return self._holder(event.cell) is None

    def stop(self, last: Reported) -> Outcome:
        worker = self._release(last.cell)
        worker.freed.append(last.cell.key)
        self.deadlines.end(last.cell)
        # Its worker does so too, but may be ended before it hears of the last one's stop.
        checkpoint_of(self.crew.shipped, last.cell).remove()
        return Outcome(Ending.FINISHED, duration_s=last.time_s, **last.by.named())

    def pause(self, last: Reported) -> None:
        worker = self._release(last.cell)
        self.deadlines.pause(last.cell)
        key = last.cell.key
        # A worker does one call after another: this one before it trains its other cells on.
        self._paused[key] = Paused(worker, last.cell, worker.actor.set_aside.remote(key))

    def forget_paused(self) -> None:
        """Leave nothing of those that will not go on, at the end of their study."""
        for paused in self._paused.values():
            checkpoint_of(self.crew.shipped, paused.cell).remove()

    # --------------------------------------------------------------------- who trains what

    def _assign(self) -> None:
        """Give the cells that wait to workers with room."""
        for cell in list(self._queue):
            worker = self._place_for(cell)
            if worker is None:
                continue
            self._queue.remove(cell)
            worker.held[cell.key] = cell
            worker.new.append(cell)
            moved = self.share.moved.pop(cell.key, None)
            if moved is not None:
                worker.kept[cell.key] = moved
            paused = self._paused.pop(cell.key, None)
            if paused is not None and paused.kept is not None and cell.start > 0:
                worker.kept[cell.key] = paused.kept

    def _place_for(self, cell: Cell) -> Worker | None:
        """Where a cell goes: a suspect to an empty worker, one that was paused to the worker that
        had it, any other to the worker that holds the fewest."""
        if cell.key in self._suspects:
            empty = (w for w in self.crew.workers if w.call is None and not w.held)
            return next(empty, None)
        workers = self._open()
        paused = self._paused.get(cell.key)
        if paused is not None and paused.worker in self.crew.workers:
            return paused.worker if paused.worker in workers else None
        return min(workers, key=lambda worker: len(worker.held), default=None)

    def _open(self) -> list[Worker]:
        """The workers that wait and could hold one cell more. While suspects wait for a worker, the
        one that will be empty first takes no more."""
        workers = [
            worker
            for worker in self.crew.workers
            if worker not in self.share.leaving and not self._suspects.intersection(worker.held)
        ]
        if any(cell.key in self._suspects for cell in self._queue) and workers:
            workers.remove(min(workers, key=lambda worker: len(worker.held)))
        return [
            worker
            for worker in workers
            if worker.call is None
            and len(worker.held) < self.depth
            and not self.crew.is_full(worker)
        ]

    def _queue_is_ready(self) -> bool:
        """Whether cells wait that any worker may take: these go before new ones."""
        return any(
            cell.key not in self._suspects and cell.key not in self._paused for cell in self._queue
        )

    def _kept_at(self, worker: Worker) -> list[Any]:
        """What cells go on from that a worker has set aside."""
        return [paused.kept for paused in self._paused.values() if paused.worker is worker]

    def _holder(self, cell: Cell) -> Worker | None:
        held = (worker for worker in self.crew.workers if worker.held.get(cell.key) is cell)
        return next(held, None)

    def _release(self, cell: Cell) -> Worker:
        worker = self._holder(cell)
        assert worker is not None  # or the event were stale
        del worker.held[cell.key]
        return worker

    # ------------------------------------------------------------------- calls and deaths

    def _call(self) -> None:
        """Let every worker that waits, and has something to do, do it."""
        for worker in list(self.crew.workers):
            if self.crew.is_full(worker) and not worker.held:
                self.crew.renew(worker)
        for worker in self.crew.workers:
            if worker.call is None and (worker.held or worker.freed):
                worker.call = worker.actor.work.remote(worker.new, worker.freed, worker.kept)
                worker.called = time.monotonic()
                worker.last_new = {cell.key for cell in worker.new}
                worker.new, worker.freed, worker.kept = [], [], {}

    def _collect(self, worker: Worker) -> Iterable[Event]:
        """What a call brought: reports, ends, or the news that the worker died."""
        try:
            worked: Worked = ray.get(worker.call)
        except ProcessDied as died:
            if isinstance(died, DiedIdle):
                self._take_back(worker)
            yield from self._on_death(worker, died.message, actor=worker.actor)
            return
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            yield from self._on_death(worker, cause_of_death(str(error)))
            return
        if worked.busy:
            worker.call = worker.actor.go_on.remote()
            return
        messages, worker.seconds, worker.here = worked.messages, worked.seconds, worked.here
        say_not_forked(worker.here)
        worker.call = None
        worker.calls += 1
        for message in messages:
            if message.key in worker.held:  # else the study stopped it by its report just before
                yield from self._event(worker, message)

    def _event(self, worker: Worker, message: Message) -> Iterator[Event]:
        cell = worker.held[message.key]
        if isinstance(message, Began):
            self.deadlines.begin(cell)
        elif isinstance(message, Finished):
            yield Ended(cell, message.outcome)
            worker.peak_rss_mb = max(worker.peak_rss_mb, message.outcome.peak_rss_mb)
            self._release(cell)
            self.places.took(self.deadlines.seconds(cell))
            self.deadlines.end(cell)
            self._suspects.discard(message.key)
        else:
            yield Reported(cell, message.epoch, message.metrics, message.time_s, message.by)

    def _on_death(
        self,
        worker: Worker,
        why: str,
        guilty: CellKey | None = None,
        ending: Ending = Ending.DIED,
        actor: Any = None,
    ) -> Iterator[Event]:
        """Find who killed a worker, unless that is known, and start another in its place, of its
        actor if that lives."""
        innocent = guilty is not None or NODE_DIED in why
        held = list(worker.held.items())
        if not innocent and len(held) == 1:
            [(guilty, _)] = held
        for key, cell in held:
            seconds = self.deadlines.seconds(cell)
            self.deadlines.end(cell)
            if key == guilty:
                self._suspects.add(key)  # its next attempt too is to harm nobody
                yield Ended(cell, Outcome(ending, why, seconds))
                continue
            if not innocent:
                self._suspect(key, worker)
            self._queue.append(cell)
        worker.held.clear()
        self.crew.replace(worker, why, actor)

    def _take_back(self, worker: Worker) -> None:
        """What the last call brought to a process that was dead by then did it no harm."""
        for key in worker.last_new & worker.held.keys():
            self._queue.append(worker.held.pop(key))
        worker.last_new = set()

    def _suspect(self, key: CellKey, worker: Worker) -> None:
        """A cell was with a worker that died: it may be why, if it was new to it, or if it was with
        another one that died."""
        if key in worker.last_new or key in self._lost_before or not worker.last_new:
            self._suspects.add(key)
        self._lost_before.add(key)

    def _end_late(self) -> Iterator[Event]:
        """End the worker of a cell that takes longer than the experiment allows."""
        self.crew.give_up_stuck()
        limit_s = self.deadlines.limit_s
        if limit_s is None:
            return
        for worker in list(self.crew.workers):
            allowed = limit_s + (0.0 if worker.calls > 1 else FIRST_S)
            hangs = (
                bool(worker.held)
                and worker.call is not None
                and time.monotonic() - worker.called > allowed
            )
            late = [key for key, cell in worker.held.items() if self.deadlines.is_late(cell)]
            if hangs or late:
                actor = self.crew.end_trainer(worker)
                # Of the cells of a call that does not come back, any may be the one that hangs.
                alone = len(worker.held) == 1 or not hangs
                guilty = (late or list(worker.held))[0] if alone else None
                timed_out = Ending.TIMED_OUT
                yield from self._on_death(worker, self.deadlines.why, guilty, timed_out, actor)

"""What carries cells to the lanes of a crew, and their reports back, an epoch a call."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import ray

from tuner.engines.contract import Ended, Event, Reported
from tuner.engines.duties import WARM_UP_S, Deadlines, Key, Places, key_of
from tuner.engines.fused.crew import Crew, Worker
from tuner.engines.fused.messages import Began, Finished, Message, checkpoint_of
from tuner.engines.worker_death import cause_of_death
from tuner.trial.cells import Cell, Ending, Outcome

POLL_S = 1.0
"""How long to wait for a call that comes back, before deadlines and nodes are looked at."""


class LaneCarrier:
    """Holds up to `depth` cells a worker. One call of a worker is an epoch of all of its lanes."""

    def __init__(self, crew: Crew, places: Places, depth: int) -> None:
        self.crew = crew
        self.depth = depth
        self.places = places
        self.deadlines = Deadlines(crew.experiment.trial_timeout)
        self._hosts: dict[Key, str] = {}

    @property
    def busy(self) -> bool:
        """Whether any worker holds a cell."""
        return any(worker.held for worker in self.crew.workers)

    def has_room(self) -> bool:
        return bool(self._open())

    def start(self, cell: Cell) -> None:
        """Give a cell to the worker that holds the fewest; one each in turn, so."""
        worker = min(self._open(), key=lambda w: len(w.held))
        worker.held[key_of(cell)] = cell
        worker.new.append(cell)

    def wait(self) -> Iterator[Event]:
        self._call()
        calls = {w.call: w for w in self.crew.workers if w.call is not None}
        ended, _ = ray.wait(list(calls), num_returns=1, timeout=POLL_S)
        for call in ended:
            yield from self._collect(calls[call])
        yield from self._end_late()
        places = self.places.look()
        if places is not None:
            self.crew.grow(places)

    def is_stale(self, event: Event) -> bool:
        return self._holder(event.cell) is None

    def stop(self, last: Reported) -> Outcome:
        worker = self._holder(last.cell)
        assert worker is not None  # or it were stale
        key = key_of(last.cell)
        self._release(worker, last.cell)
        worker.freed.append(key)
        # Its worker does so too, but may be ended before it hears of the last one's stop.
        checkpoint_of(self.crew.shipped, last.cell).remove()
        return Outcome(Ending.FINISHED, duration_s=last.time_s, host=self._hosts.pop(key, ""))

    def _open(self) -> list[Worker]:
        """The workers that wait and could hold one cell more."""
        return [
            worker
            for worker in self.crew.workers
            if worker.call is None
            and len(worker.held) < self.depth
            and not self.crew.is_full(worker)
        ]

    def _holder(self, cell: Cell) -> Worker | None:
        held = (worker for worker in self.crew.workers if worker.held.get(key_of(cell)) is cell)
        return next(held, None)

    def _release(self, worker: Worker, cell: Cell) -> None:
        del worker.held[key_of(cell)]
        self.deadlines.end(cell)

    def _call(self) -> None:
        """Let every worker that waits, and has something to do, do it."""
        for worker in list(self.crew.workers):
            if self.crew.is_full(worker) and not worker.held:
                self.crew.renew(worker)
        for worker in self.crew.workers:
            if worker.call is None and (worker.held or worker.freed):
                worker.call = worker.actor.work.remote(worker.new, worker.freed)
                worker.called = time.monotonic()
                worker.new, worker.freed = [], []

    def _collect(self, worker: Worker) -> Iterable[Event]:
        """What a call brought: reports, ends, or the news that the worker died."""
        try:
            messages, worker.seconds = ray.get(worker.call)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            yield from self._on_death(worker, cause_of_death(str(error)))
            return
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
            self._release(worker, cell)
        else:
            self._hosts[message.key] = message.host
            yield Reported(cell, message.epoch, message.metrics, message.time_s)

    def _on_death(self, worker: Worker, why: str, late: Key | None = None) -> Iterator[Event]:
        """The study has the cells of a dead worker again; a new worker takes its place."""
        for key, cell in list(worker.held.items()):
            ending = Ending.TIMED_OUT if key == late else Ending.DIED
            yield Ended(cell, Outcome(ending, why, self.deadlines.seconds(cell)))
            self._release(worker, cell)
        self.crew.replace(worker, why)

    def _end_late(self) -> Iterator[Event]:
        """End the worker of a cell that takes longer than the experiment allows."""
        limit_s = self.deadlines.limit_s
        if limit_s is None:
            return
        for worker in list(self.crew.workers):
            late = [key for key, cell in worker.held.items() if self.deadlines.is_late(cell)]
            allowed = limit_s + (0.0 if worker.calls > 1 else WARM_UP_S)
            if worker.call is not None and time.monotonic() - worker.called > allowed:
                late += list(worker.held)  # not even an epoch came back
            if late:
                ray.kill(worker.actor)
                yield from self._on_death(worker, self.deadlines.why, late[0])

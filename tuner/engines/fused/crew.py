"""The workers of a run on the fused engine: they start, work, die and are replaced."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray

from tuner.engines.contract import Job
from tuner.engines.fused.actor import LaneActor
from tuner.engines.fused.eligible import lanes_of, some_cells
from tuner.engines.shipping import shipment
from tuner.engines.worker_death import KILLED_FOR_MEMORY, cause_of_death
from tuner.errors import EngineError
from tuner.trial.cells import Cell, CellKey

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

RENEWED_S = 20.0
"""How long an actor may take to have another trainer."""
LEAVE_S = 5.0
"""How long to wait until the workers have left their trainers to the run that follows."""
STARTS_ALLOWED = 3
"""So many workers may die before their first call has come back."""


@dataclass(eq=False)
class Worker:
    """An actor, the cells that it holds, and its call in progress.

    It is given no cell before its first call, which does nothing, has come back: an actor for
    which no node has place waits for one, and would keep what it holds waiting. `new`, `freed` and
    `kept` (what cells go on from) are what its next call tells it; `last_new` came with the last.
    `renewed` is a worker of an actor that had one before. `here` says why it trains in the actor's
    own process; empty where that has another one for it.
    `fitted` are cells that are known to be trained by `fit`.
    """

    actor: Any
    call: Any
    called: float
    held: dict[CellKey, Cell] = field(default_factory=dict)
    new: list[Cell] = field(default_factory=list)
    freed: list[CellKey] = field(default_factory=list)
    kept: dict[CellKey, Any] = field(default_factory=dict)
    last_new: set[CellKey] = field(default_factory=set)
    fitted: set[CellKey] = field(default_factory=set)
    calls: int = 0
    peak_rss_mb: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    here: str = ""
    renewed: bool = False


class Crew:
    """`workers` are there at once; each is an actor of its own."""

    def __init__(self, job: Job, cluster: Runtime) -> None:
        """Raises EngineError when Ray cannot start."""
        cluster.ready()
        self.experiment = job.experiment
        self.shipped = shipment(job, cluster)
        self.lanes = lanes_of(job.experiment)
        self.kind: Any = ray.remote(
            num_cpus=cluster.cpus_per_trial,
            num_gpus=cluster.gpus_per_trial,
            memory=cluster.memory_per_trial * 2**20,
            label_selector=cluster.labels(),
        )(LaneActor)
        self._shared = ray.put(self.shipped), [ray.put(job.dataset)]
        self._stillborn = 0
        self._gone: list[dict[str, float]] = []
        self.workers = [self.new_worker() for _ in range(max(1, cluster.workers))]
        if cluster.lease is not None:
            cluster.lease.tell(len(self.workers))

    def look(self, count: int) -> tuple[str | None, int]:
        """Why a point of the space cannot be trained in lanes, and of how many forms `count` points
        are. Raises EngineError if the workers die as they start."""
        cells = some_cells(self.experiment, count)
        while True:
            # One that has started: another may wait for a place that went with its node.
            calls = {worker.call: worker for worker in self.workers}
            (call,), _ = ray.wait(list(calls), num_returns=1)
            try:
                look = calls[call].actor.look.remote(cells, self.experiment.trial_timeout)
                looked: tuple[str | None, int] = ray.get(look)
                return looked
            except ray.exceptions.RayActorError as error:
                self.replace(calls[call], cause_of_death(str(error)))

    def new_worker(self, actor: Any = None) -> Worker:
        """A worker that starts, of an actor that lives if there is one."""
        renewed = actor is not None
        actor = actor or self.kind.remote(*self._shared, self.lanes)
        call = actor.work.remote([], [], {})
        return Worker(actor, call, time.monotonic(), renewed=renewed)

    def give_up_stuck(self) -> None:
        """Replace the actors that should have another trainer by now, and do not answer."""
        for worker in list(self.workers):
            late = time.monotonic() - worker.called > RENEWED_S
            if worker.renewed and worker.calls == 0 and late:
                ray.kill(worker.actor)
                self.workers[self.workers.index(worker)] = self.new_worker()

    def end_trainer(self, worker: Worker) -> Any:
        """Kill a worker's process; its actor, if that is another one and lives."""
        if worker.here or worker.calls == 0:
            ray.kill(worker.actor)
            return None
        worker.actor.end_trainer.remote()
        return worker.actor

    def is_full(self, worker: Worker) -> bool:
        """Whether a worker's memory has grown over its limit; TensorFlow's only grows."""
        limit = self.experiment.memory_per_trial
        return limit is not None and worker.peak_rss_mb > limit

    def renew(self, worker: Worker) -> None:
        """End a worker that has nothing to do, and start another in its place."""
        self._gone.append(worker.seconds)
        self.workers[self.workers.index(worker)] = self.new_worker(self.end_trainer(worker))

    def replace(self, worker: Worker, why: str, actor: Any = None) -> None:
        """A new worker in a dead one's place, of its actor if that lives. Raises EngineError if too
        many die as they start."""
        self._stillborn += worker.calls == 0
        if self._stillborn > STARTS_ALLOWED:
            raise EngineError(f"the workers die as they start; the last one: {why}")
        self._gone.append(worker.seconds)
        self.workers.remove(worker)
        if not self.workers or not why.startswith(KILLED_FOR_MEMORY):  # fewer need less
            self.workers.append(self.new_worker(actor))

    def grow(self, places: int) -> None:
        """Have a worker for each of so many places."""
        while len(self.workers) < places:
            self.workers.append(self.new_worker())

    def end(self, worker: Worker) -> None:
        """End a worker that holds nothing, and start no other."""
        ray.kill(worker.actor)
        self._gone.append(worker.seconds)
        self.workers.remove(worker)

    def leave(self) -> None:
        """Leave what the workers have traced to the run that follows, where one does."""
        if self.shipped.leaves:
            left = [worker.actor.leave.remote() for worker in self.workers if worker.calls]
            ray.wait(left, num_returns=len(left), timeout=LEAVE_S)

    def kill(self) -> None:
        """End every worker."""
        for worker in self.workers:
            ray.kill(worker.actor)

    @property
    def seconds(self) -> dict[str, float]:
        """Where the workers' time went, summed over them, by what they did."""
        each = [*self._gone, *(worker.seconds for worker in self.workers)]
        names = sorted({name for seconds in each for name in seconds})
        return {name: round(sum(s.get(name, 0.0) for s in each), 3) for name in names}

"""The fused engine: an actor a CPU, each training many cells as lanes of one program.

The driver gives cells out, takes an epoch's reports of a worker to the study at a time, and sends
the study's decisions with the next call. It decides nothing itself. Declared Keras trainings only:
`why_not` and `Fused.check` say, before anything is asked of the study, what lanes cannot train.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from tuner.data.splits import Splits
from tuner.engines.ask_ahead import Proposals
from tuner.engines.contract import NODES_S, WARM_UP_S, Job, Study
from tuner.engines.fused.eligible import (
    MOST_GROUPS,
    Unfit,
    batch_sizes,
    lanes_of,
    some_cells,
    why_not,
)
from tuner.engines.fused.messages import Key, Message, checkpoint_of
from tuner.engines.fused.worker import LaneActor
from tuner.engines.shipping import pickled, user_paths
from tuner.engines.worker_death import KILLED_FOR_MEMORY, cause_of_death
from tuner.errors import EngineError
from tuner.experiment.experiment import GRID, Experiment
from tuner.experiment.loading import Source
from tuner.trial.cells import Cell, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime
    from tuner.data.datasets import Dataset

LOOKED_AT = 4
"""Points of a space that are built to see whether they make networks of one form."""
STARTS_ALLOWED = 3
POLL_S = 1.0


@dataclass
class Worker:
    """An actor, the cells that it holds with when they began, and its call in progress.

    It is given no cell before its first call, which does nothing, has come back: an actor for
    which no node has place waits for one, and would keep what it holds waiting.
    """

    actor: Any
    call: Any
    called: float
    held: dict[Key, Cell] = field(default_factory=dict)
    began: dict[Key, float] = field(default_factory=dict)
    new: list[Cell] = field(default_factory=list)
    freed: list[Key] = field(default_factory=list)
    calls: int = 0
    peak_rss_mb: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)


class Fused:
    """The workers of one run, which start at once, and what they do for a study."""

    def __init__(
        self,
        experiment: Experiment,
        runtime: Runtime,
        source: Source,
        *,
        dataset: Dataset | None = None,
        splits: Splits | None = None,
        files: Path | None = None,
    ) -> None:
        """Raises Unfit for what lanes never train, EngineError when Ray cannot start."""
        reason = why_not(experiment, dataset)
        if reason is not None:
            raise Unfit(reason)
        self.experiment, self.runtime = experiment, runtime
        job = Job(
            source=source,
            objective=pickled(experiment.objective) if source.kind == "object" else None,
            metric=experiment.metric,
            paths=user_paths(),
            splits=splits or Splits(),
            cpus=runtime.cpus_per_trial,
            gpus=runtime.gpus_per_trial,
            keras=True,
            files=files,
            checkpoint_every=experiment.checkpoint_every,
        )
        self._job = job
        concurrency = runtime.concurrency
        self._kind: Any = ray.remote(
            num_cpus=job.cpus,
            num_gpus=job.gpus,
            memory=runtime.memory_per_trial * 2**20,
            label_selector=runtime.labels(),
        )(LaneActor)
        self.lanes = lanes_of(experiment)
        self.depth = self.lanes
        if experiment.sampler == GRID:  # all cells are there from the start, of each batch size
            self.depth *= min(batch_sizes(experiment), MOST_GROUPS)
        self._shared = ray.put(job), ray.put(dataset)
        self._stillborn = 0
        self._looked = time.monotonic()
        self._gone: list[dict[str, float]] = []
        self._checked = False
        self.workers = [self._new_worker() for _ in range(concurrency)]

    def check(self, *, gain: bool = False) -> None:
        """Raise Unfit if a point of the space cannot be trained in lanes; `gain`: or if few
        points can be trained together."""
        self._checked = True
        cells = some_cells(self.experiment, LOOKED_AT if gain else 1)
        while True:
            # One that has started: another may wait for a place that went with its node.
            calls = {worker.call: worker for worker in self.workers}
            (call,), _ = ray.wait(list(calls), num_returns=1)
            try:
                reason, forms = ray.get(calls[call].actor.look.remote(cells))
                break
            except ray.exceptions.RayActorError as error:
                self._replace(calls[call], cause_of_death(str(error)))
        if gain and reason is None and forms > LOOKED_AT // 2:
            reason = f"{forms} of {len(cells)} of its points are networks of different forms"
        if reason is not None:
            self.kill()
            raise Unfit(reason)

    def run(self, study: Study) -> None:
        """Run a study until it is finished.

        Raises Unfit before anything is asked, and whatever the study raised. After Ctrl-C, and
        when the study is finished by a limit, the cells in flight are ended and not told.
        """
        if not self._checked:
            self.check()
        ahead = len(self.workers) > 1 and not study.experiment.deterministic
        proposals = Proposals(study, ahead=ahead)
        try:
            while not study.finished:
                self._give(study, proposals)
                self._call()
                calls = {w.call: w for w in self.workers if w.call is not None}
                ended, _ = ray.wait(list(calls), num_returns=1, timeout=POLL_S)
                for call in ended:
                    self._take(study, calls[call])
                self._end_late(study)
                self._follow_nodes()
        finally:
            self.kill()
            proposals.close()

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

    def _new_worker(self) -> Worker:
        actor = self._kind.remote(*self._shared, self.lanes)
        return Worker(actor, actor.work.remote([], []), time.monotonic())

    def _give(self, study: Study, proposals: Proposals) -> None:
        """Cells for the workers that wait, one each in turn, while there are any."""
        while True:
            open_for = [
                worker
                for worker in self.workers
                if worker.call is None and len(worker.held) < self.depth and not self._full(worker)
            ]
            if not open_for or study.finished:
                return
            busy = any(worker.held for worker in self.workers)
            cell = proposals.take(None if not busy else 0.05)
            if cell is None:
                return
            worker = min(open_for, key=lambda w: len(w.held))
            worker.held[cell.trial, cell.fold] = cell
            worker.new.append(cell)

    def _full(self, worker: Worker) -> bool:
        limit = self.experiment.memory_per_trial
        return limit is not None and worker.peak_rss_mb > limit

    def _call(self) -> None:
        for worker in list(self.workers):
            if self._full(worker) and not worker.held:  # TensorFlow's memory only grows
                ray.kill(worker.actor)
                self._gone.append(worker.seconds)
                self.workers[self.workers.index(worker)] = self._new_worker()
        for worker in self.workers:
            if worker.call is None and (worker.held or worker.freed):
                worker.call = worker.actor.work.remote(worker.new, worker.freed)
                worker.called = time.monotonic()
                worker.new, worker.freed = [], []

    def _take(self, study: Study, worker: Worker) -> None:
        """What a call brought: reports, ends, or the news that the worker died."""
        try:
            messages, worker.seconds = ray.get(worker.call)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            self._lost(study, worker, cause_of_death(str(error)))
            return
        worker.call = None
        worker.calls += 1
        for message in messages:
            self._message(study, worker, message)

    def _message(self, study: Study, worker: Worker, message: Message) -> None:
        if message.key not in worker.held:  # the study stopped it by its report just before
            return
        cell = worker.held[message.key]
        if message.outcome is not None:
            del worker.held[message.key]
            worker.peak_rss_mb = max(worker.peak_rss_mb, message.outcome.peak_rss_mb)
            study.tell(cell, message.outcome)
        elif message.epoch == 0:
            worker.began[message.key] = time.monotonic()
        elif study.report(cell, message.epoch, message.metrics, message.time_s) is Decision.STOP:
            del worker.held[message.key]
            worker.freed.append(message.key)
            # Its worker does so too, but may be ended before it hears of the last one's stop.
            checkpoint_of(self._job, cell).remove()
            ended = Outcome(Ending.FINISHED, duration_s=message.time_s, host=message.host)
            study.tell(cell, ended)

    def _replace(self, worker: Worker, why: str) -> None:
        """A new worker in a dead one's place. Raises EngineError if too many die as they start."""
        self._stillborn += worker.calls == 0
        if self._stillborn > STARTS_ALLOWED:
            raise EngineError(f"the workers die as they start; the last one: {why}")
        self._gone.append(worker.seconds)
        self.workers.remove(worker)
        if not self.workers or not why.startswith(KILLED_FOR_MEMORY):  # fewer need less
            self.workers.append(self._new_worker())

    def _lost(self, study: Study, worker: Worker, why: str, late: Key | None = None) -> None:
        """The study has the cells of a dead worker again; a new worker takes its place."""
        self._replace(worker, why)
        now = time.monotonic()
        for key, cell in list(worker.held.items()):
            ending = Ending.TIMED_OUT if key == late else Ending.DIED
            study.tell(cell, Outcome(ending, why, now - worker.began.get(key, now)))

    def _end_late(self, study: Study) -> None:
        """End the worker of a cell that takes longer than the experiment allows."""
        limit_s = study.experiment.trial_timeout
        if limit_s is None:
            return
        now = time.monotonic()
        for worker in list(self.workers):
            allowed = limit_s + (0.0 if worker.calls > 1 else WARM_UP_S)
            late = [key for key in worker.held if now - worker.began.get(key, now) > allowed]
            if worker.call is not None and worker.held and now - worker.called > allowed:
                late += list(worker.held)  # not even an epoch came back
            if late:
                ray.kill(worker.actor)
                why = f"the trial ran longer than its trial_timeout of {limit_s:g} s"
                self._lost(study, worker, why, late[0])

    def _follow_nodes(self) -> None:
        """A worker for every place that joined a cluster."""
        if not self.runtime.grows or time.monotonic() - self._looked < NODES_S:
            return
        self._looked = time.monotonic()
        while len(self.workers) < self.runtime.slots():
            self.workers.append(self._new_worker())


def run(study: Study, runtime: Runtime, source: Source, **given: Any) -> None:
    """Run a study until it is finished, as `Fused` does with the same arguments."""
    if not study.finished:
        Fused(study.experiment, runtime, source, **given).run(study)

"""The fused engine: an actor a CPU, each training many cells as lanes of one program.

The driver gives cells out, takes an epoch's reports of a worker to the study at a time, and sends
the study's decisions with the next call. It decides nothing itself. Declared Keras trainings only:
`run` raises Unfit, before anything is asked of the study, where lanes cannot train them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from tuner.engines.fused_worker import Key, LaneWorker, Message
from tuner.engines.proposals import Proposals
from tuner.engines.ray_adapters import WARM_UP_S, Study, cause_of_death
from tuner.engines.ray_worker import Job
from tuner.engines.shipping import pickled, user_paths
from tuner.errors import TunerError
from tuner.experiment import Experiment, KerasModel
from tuner.folds import Splits
from tuner.loading import Source
from tuner.search_space import Categorical, Constant, SearchSpace
from tuner.trial import Cell, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.datasets import Dataset
    from tuner.runtime import Runtime

LANES = 6
"""Lanes of a worker: more gain little on a CPU, and each costs what it works when it is empty."""
POLL_S = 1.0


class Unfit(TunerError):
    """The fused engine cannot train this experiment; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"engine 'fused' cannot train this experiment: {reason}; take --engine ray_tune"
        )


@dataclass
class Worker:
    """An actor, the cells that it holds with when they were given, and its call in progress."""

    actor: Any
    held: dict[Key, tuple[Cell, float]] = field(default_factory=dict)
    new: list[Cell] = field(default_factory=list)
    freed: list[Key] = field(default_factory=list)
    call: Any = None
    calls: int = 0


def lanes_of(experiment: Experiment) -> int:
    """How many lanes a worker has: a function of the experiment alone, so that results are.

    Trials of different batch sizes do not train together: where it is searched, a worker trains
    one at a time.
    """
    size = experiment.space.get("batch_size")
    return LANES if size is None or isinstance(size, Constant) else 1


def run(
    study: Study,
    runtime: Runtime,
    source: Source,
    *,
    dataset: Dataset | None = None,
    splits: Splits | None = None,
    files: Path | None = None,
) -> None:
    """Run a study until it is finished, `runtime.concurrency` workers at a time.

    Raises Unfit before anything is asked, EngineError when Ray cannot start, and whatever the
    study raised. After Ctrl-C, and when the study is finished by a limit, the cells in flight are
    ended and not told.
    """
    if study.finished:
        return
    experiment = study.experiment
    if not isinstance(experiment.objective, KerasModel):
        raise Unfit("its training is a function, not a declared KerasModel")
    if experiment.objective.callbacks is not None:
        raise Unfit("it has callbacks of its own")
    if dataset is None:
        raise Unfit("it has no dataset")
    concurrency = runtime.concurrency
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
    )
    kind: Any = ray.remote(num_cpus=job.cpus, num_gpus=job.gpus, label_selector=runtime.labels())(
        LaneWorker
    )
    shared = ray.put(job), ray.put(dataset)
    proposals = Proposals(study, ahead=concurrency > 1 and not experiment.deterministic)
    driver = Driver(study, proposals, lambda lanes: kind.remote(*shared, lanes), concurrency)
    try:
        driver.check()
        driver.run()
    finally:
        driver.kill()
        proposals.close()


class Driver:
    """Carries cells, reports and decisions between the study and its workers."""

    def __init__(self, study: Study, proposals: Proposals, make: Any, concurrency: int) -> None:
        self.study, self.proposals = study, proposals
        self.lanes = lanes_of(study.experiment)
        self.make = lambda: make(self.lanes)
        self.workers = [Worker(self.make()) for _ in range(concurrency)]

    def check(self) -> None:
        """Raise Unfit if a point of the space cannot be trained in lanes."""
        cell = any_cell(self.study.experiment)
        reason = ray.get(self.workers[0].actor.why_not.remote(cell))
        if reason is not None:
            raise Unfit(reason)

    def run(self) -> None:
        """Until the study is finished."""
        while True:
            self._give()
            for worker in self.workers:
                if worker.call is None and (worker.held or worker.freed):
                    worker.call = worker.actor.work.remote(worker.new, worker.freed)
                    worker.new, worker.freed = [], []
            calls = {worker.call: worker for worker in self.workers if worker.call is not None}
            if not calls or self.study.finished:
                return
            ended, _ = ray.wait(list(calls), num_returns=1, timeout=POLL_S)
            for call in ended:
                self._take(calls[call])
            self._end_late()

    def kill(self) -> None:
        """End every worker."""
        for worker in self.workers:
            ray.kill(worker.actor)

    def _give(self) -> None:
        """Cells for the workers that wait, one each in turn, while there are any."""
        while True:
            open_for = [w for w in self.workers if w.call is None and len(w.held) < self.lanes]
            if not open_for or self.study.finished:
                return
            busy = any(worker.held for worker in self.workers)
            cell = self.proposals.take(None if not busy else 0.05)
            if cell is None:
                return
            worker = min(open_for, key=lambda w: len(w.held))
            worker.held[cell.trial, cell.fold] = (cell, time.monotonic())
            worker.new.append(cell)

    def _take(self, worker: Worker) -> None:
        """What a call brought: reports, ends, or the news that the worker died."""
        try:
            messages: list[Message] = ray.get(worker.call)
        except ray.exceptions.RayActorError as error:
            self._lost(worker, cause_of_death(str(error)))
            return
        worker.call = None
        worker.calls += 1
        for message in messages:
            self._message(worker, message)

    def _message(self, worker: Worker, message: Message) -> None:
        if message.key not in worker.held:  # the study stopped it by its report just before
            return
        cell, _ = worker.held[message.key]
        if message.outcome is not None:
            del worker.held[message.key]
            self.study.tell(cell, message.outcome)
            return
        decision = self.study.report(cell, message.epoch, message.metrics, message.time_s)
        if decision is Decision.STOP:
            del worker.held[message.key]
            worker.freed.append(message.key)
            self.study.tell(
                cell, Outcome(Ending.FINISHED, duration_s=message.time_s, host=message.host)
            )

    def _lost(self, worker: Worker, why: str, late: Key | None = None) -> None:
        """The study has the cells of a dead worker again; a new worker takes its place."""
        held = list(worker.held.items())
        self.workers[self.workers.index(worker)] = Worker(self.make())
        for key, (cell, given) in held:
            ending = Ending.TIMED_OUT if key == late else Ending.DIED
            self.study.tell(cell, Outcome(ending, why, time.monotonic() - given))

    def _end_late(self) -> None:
        """End the worker of a cell that takes longer than the experiment allows."""
        limit_s = self.study.experiment.trial_timeout
        if limit_s is None:
            return
        now = time.monotonic()
        for worker in list(self.workers):
            allowed = limit_s + (0.0 if worker.calls else WARM_UP_S)
            late = [key for key, (_, given) in worker.held.items() if now - given > allowed]
            if late:
                ray.kill(worker.actor)
                self._lost(
                    worker, f"the trial ran longer than --trial-timeout {limit_s:g} s", late[0]
                )


def any_cell(experiment: Experiment) -> Cell:
    """A cell at the low end of every axis, that belongs to no trial."""

    def pick(name: str, axis: Any) -> Any:
        if isinstance(axis, Constant):
            return axis.value
        return axis.choices[0] if isinstance(axis, Categorical) else axis.low

    point = SearchSpace(experiment.space).draw(pick)
    return Cell(trial=0, attempt=0, fold=0, params=point, seed=0, epochs=1)

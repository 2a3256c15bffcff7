"""The worker's side of the Ray Tune engine: an actor that runs one cell after another.

A Tune trial is a cell. Tune calls `step` for each of its reports; the training runs in a thread of
its own and waits at each report for the next call, which brings the study's decision. The thread
lives as long as the worker, so what it has imported and built stays warm.
"""

from __future__ import annotations

import gc
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from tuner.engines.contract import Job, objective_of
from tuner.tracebacks import failure_text
from tuner.training.output import captured
from tuner.trial.cells import Cell, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset
    from tuner.data.splits import Data

KEY = "tuner"
"""The one key of a result; what it holds is no business of Tune's."""
CELL = "cell"
ALIVE_S = 1.0
"""How often a worker that waits for its training looks whether that is still alive."""
FOLDS_BYTES = 1 << 30
"""How much memory a worker may spend on the folds that it has cut already."""


class CellWorker(tune.Trainable):
    """Runs cells. `job` and `dataset` lie in the object store: read there, not copied."""

    job: ray.ObjectRef[Job]
    dataset: ray.ObjectRef[Dataset] | None

    def setup(self, config: dict[str, Any]) -> None:
        self._cell: Cell | None = config[CELL]
        self._decision = Decision.CONTINUE
        self._inbox: queue.SimpleQueue[Cell | Decision] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        training = _Training(ray.get(self.job), self._load_dataset, self._inbox, self._outbox)
        self._thread = threading.Thread(target=training.run, name="training", daemon=True)
        self._thread.start()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._cell = new_config[CELL]
        return True

    def stop_cell(self) -> None:
        """The study stops this cell: its report, which is waiting now, will say so."""
        self._decision = Decision.STOP

    def step(self) -> dict[str, Any]:
        """The next report, (epoch, metrics, time_s), or the Outcome, with which Tune is done."""
        if self._cell is not None:
            self._inbox.put(self._cell)
            self._cell = None
        else:
            self._inbox.put(self._decision)
        self._decision = Decision.CONTINUE
        message = self._next_message()
        return {KEY: message, "done": True} if isinstance(message, Outcome) else {KEY: message}

    def train(self) -> dict[str, Any]:
        """A step as it is, without the dozen values that Tune adds, analyses and keeps."""
        return self.step()

    def _next_message(self) -> Any:
        while True:
            try:
                return self._outbox.get(timeout=ALIVE_S)
            except queue.Empty:
                if not self._thread.is_alive():  # then no message would ever come
                    raise RuntimeError("the training thread ended; see this worker's log") from None

    def _load_dataset(self) -> Dataset | None:
        return None if self.dataset is None else ray.get(self.dataset)


@dataclass
class _Training:
    """The training thread: cells in, reports and outcomes out."""

    job: Job
    load_dataset: Callable[[], Dataset | None]
    inbox: queue.SimpleQueue[Any]
    outbox: queue.SimpleQueue[Any]

    def run(self) -> None:
        from tuner.training.process import clear_worker

        host = ray.util.get_node_ip_address()
        run_cell: Callable[[Cell], Outcome] | None = None
        while True:
            cell = self.inbox.get()
            try:
                run_cell = run_cell or self._prepare()
                outcome = run_cell(cell)
            except BaseException as error:  # noqa: BLE001  # it ends this cell, not the worker
                outcome = Outcome(Ending.RAISED, failure_text(error))
            self.outbox.put(replace(outcome, host=host))
            clear_worker()  # while the driver finds the next cell

    def _prepare(self) -> Callable[[Cell], Outcome]:
        """Make this process a worker of its job, once."""
        from tuner.training import process as worker_setup
        from tuner.training.run_cell import run_cell

        job = self.job
        worker_setup.limit_threads(job.cpus)
        if job.keras or not job.gpus:  # what another library takes of its share is its own matter
            worker_setup.limit_gpu_memory(job.gpus)
        if job.keras:
            worker_setup.warm_up()
        objective = objective_of(job)
        load_fold = self._fold_loader()
        gc.freeze()  # what lives as long as the worker need not be looked at after each trial

        def run(cell: Cell) -> Outcome:
            folder, every = job.folder(cell), job.checkpoint_every
            load = partial(load_fold, cell.fold)
            with captured() as said:
                outcome = run_cell(objective, job.metric, cell, self._send, load, folder, every)
            return replace(outcome, log=said.text)

        return run

    def _send(self, epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        self.outbox.put((epoch, metrics, time_s))
        decision: Decision = self.inbox.get()
        return decision

    def _fold_loader(self) -> Callable[[int], Data]:
        from tuner.data.splits import cell_data
        from tuner.errors import DatasetError

        dataset = self.load_dataset()
        if dataset is None:

            def nothing(fold: int) -> Data:
                raise DatasetError(
                    "this experiment has none", field="dataset", way_out="declare one"
                )

            return nothing
        size = dataset.x_train.nbytes + dataset.y_train.nbytes
        kept = max(1, FOLDS_BYTES // max(1, size))
        # A search asks for fold 0 alone; a cross-validation for each again and again.
        return lru_cache(maxsize=kept)(lambda fold: cell_data(dataset, self.job.splits, fold))

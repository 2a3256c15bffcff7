"""The worker's side of the fused engine: an actor that trains cells in lanes, an epoch a call."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.engines.ray_worker import Job, objective_of
from tuner.experiment import KerasModel
from tuner.failures import failure_text
from tuner.folds import cell_data, cell_rows, judged_on_test
from tuner.schema import cell_folder
from tuner.trial import Cell, Decision, Ending, Outcome, Trial

if TYPE_CHECKING:
    import keras

    from tuner.datasets import Dataset
    from tuner.engines.lanes import Lanes

Key = tuple[int, int]
"""A cell's trial and fold."""
FORMS_KEPT = 3
"""Programs that a worker keeps for networks of other forms, which may come again."""


@dataclass(frozen=True)
class Message:
    """A report of a cell, or with an `outcome` its end (then `epoch` is 0 if it never trained)."""

    key: Key
    epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    time_s: float = 0.0
    host: str = ""
    outcome: Outcome | None = None


@dataclass
class Waiting:
    """A cell that has no lane yet."""

    trial: Trial
    model: keras.Model
    form: Any
    rows: tuple[Any, Any]
    batch_size: int

    @property
    def group(self) -> Any:
        """Cells that train together agree on this."""
        return (self.form, self.batch_size, *map(len, self.rows))


class LaneWorker:
    """Trains up to `lanes` cells at a time. One call at a time, from the driver."""

    def __init__(self, job: Job, dataset: Dataset, lanes: int) -> None:
        import ray

        from tuner import worker_setup

        worker_setup.limit_threads(job.cpus)
        worker_setup.limit_gpu_memory(job.gpus)
        worker_setup.warm_up()
        from tuner.engines.lanes import pool_of

        declaration = objective_of(job)
        assert isinstance(declaration, KerasModel)  # the driver saw to it
        self.declaration, self.job, self.count = declaration, job, lanes
        self.dataset = dataset
        self.host = ray.util.get_node_ip_address()
        x, y = dataset.x_train, dataset.y_train
        if judged_on_test(job.splits):
            x, y = np.concatenate([x, dataset.x_test]), np.concatenate([y, dataset.y_test])
        self.pool = pool_of(declaration, x, y, dataset.n_classes)
        # A search asks for fold 0 alone; a cross-validation for each again and again.
        self.data = lru_cache(maxsize=None)(lambda fold: cell_data(dataset, job.splits, fold))
        self.rows = lru_cache(maxsize=None)(self._rows)
        self.programs: dict[Any, Lanes] = {}
        self.waiting: dict[Key, Waiting] = {}
        self.busy: dict[Key, tuple[int, float]] = {}
        self.group: Any = None

    def why_not(self, cell: Cell) -> str | None:
        """Why a cell cannot be trained in lanes, in words; None if it can."""
        from tuner.declaration import build_model
        from tuner.engines.lanes_rules import why_not

        trial = self._trial(cell)
        return why_not(self.declaration, trial, build_model(self.declaration, trial))

    def work(self, cells: Sequence[Cell], freed: Sequence[Key]) -> list[Message]:
        """Let go of the freed cells, take the new ones, train an epoch of what has a lane.

        The epochs' reports come back, and the outcomes of the cells that had their last one or
        whose declaration raised.
        """
        for key in freed:
            self.waiting.pop(key, None)
            if key in self.busy:
                self._lanes.free(self.busy.pop(key)[0])
        messages = [message for cell in cells if (message := self._take(cell)) is not None]
        try:
            self._fill()
            reports = self._lanes.epoch() if self.busy else {}
        except Exception as error:  # noqa: BLE001  # it ends these cells, not the worker
            messages += [self._ended(key, failure_text(error)) for key in list(self.busy)]
            self.programs.pop(self.group[0], None)
            return messages
        for key, (lane, _) in list(self.busy.items()):
            messages += self._reported(key, reports[lane], self._lanes.lanes[lane])
        return messages

    @property
    def _lanes(self) -> Lanes:
        return self.programs[self.group[0]]

    def _rows(self, fold: int) -> tuple[Any, Any]:
        train, val = cell_rows(self.dataset, self.job.splits, fold)
        return train.astype(np.int32), val.astype(np.int32)

    def _trial(self, cell: Cell) -> Trial:
        folder = None
        if self.job.files is not None:
            cv = self.job.splits.plan == "cv"
            folder = cell_folder(self.job.files, cell.trial, cell.fold if cv else None)
        return Trial(cell, _unasked, lambda: self.data(cell.fold), folder)

    def _take(self, cell: Cell) -> Message | None:
        from tuner.declaration import batch_size_of, build_model, epochs_of
        from tuner.engines.lanes_rules import form, why_not

        key = (cell.trial, cell.fold)
        try:
            trial = self._trial(cell)
            model = build_model(self.declaration, trial)
            reason = why_not(self.declaration, trial, model)
            if reason is not None:
                error = f"this trial cannot be trained in lanes ({reason}); take --engine ray_tune"
                return Message(key, outcome=self._outcome(Ending.RAISED, error))
            epochs_of(trial)
            self.waiting[key] = Waiting(
                trial=trial,
                model=model,
                form=form(self.declaration, trial, model),
                rows=self.rows(cell.fold),
                batch_size=batch_size_of(self.declaration, trial),
            )
        except Exception as error:  # noqa: BLE001  # whatever a user's code raises
            return Message(key, outcome=self._outcome(Ending.RAISED, failure_text(error)))
        return None

    def _fill(self) -> None:
        """Give free lanes to the waiting cells of the group that trains now, or begin another."""
        from tuner.engines.lanes import Lanes

        if not self.busy and self.waiting:
            first = next(iter(self.waiting.values()))
            self.group = first.group
            if first.form not in self.programs:
                while len(self.programs) >= FORMS_KEPT:
                    del self.programs[next(iter(self.programs))]
                self.programs[first.form] = Lanes(
                    self.declaration, first.trial, self.pool, self.count
                )
        taken = {lane for lane, _ in self.busy.values()}
        free = [lane for lane in range(self.count) if lane not in taken]
        for key, cell in list(self.waiting.items()):
            if free and cell.group == self.group:
                lane = free.pop(0)
                self._lanes.put(lane, cell.trial, *cell.rows, cell.model)
                self.busy[key] = (lane, time.monotonic())
                del self.waiting[key]

    def _reported(self, key: Key, metrics: dict[str, float], lane: Any) -> list[Message]:
        seconds = time.monotonic() - self.busy[key][1]
        messages = [Message(key, lane.epochs, metrics, seconds, self.host)]
        if lane.epochs >= lane.trial.cell.epochs:
            messages.append(self._ended(key))
        return messages

    def _ended(self, key: Key, error: str | None = None) -> Message:
        lane, began = self.busy.pop(key)
        held = self._lanes.lanes[lane]
        ending = Ending.FINISHED if error is None else Ending.RAISED
        outcome = self._outcome(ending, error, time.monotonic() - began)
        if held is not None:
            outcome = Outcome(**{**vars(outcome), "read_epochs": held.trial.read_epochs})
        self._lanes.free(lane)
        return Message(key, outcome=outcome)

    def _outcome(self, ending: Ending, error: str | None, seconds: float = 0.0) -> Outcome:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_mb = peak / 2**20 if sys.platform == "darwin" else peak / 2**10
        return Outcome(ending, error, seconds, peak_mb, self.host)


def _unasked(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
    """A declared training reports nothing by itself."""
    raise RuntimeError("a function of a KerasModel reported; the engine does that")

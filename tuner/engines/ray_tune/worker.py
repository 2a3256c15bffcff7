"""The worker's side of the Ray Tune engine: an actor that has one cell after another trained.

It imports Ray and not Ray Tune, which would take more than half of a worker's start. A Tune trial
is a cell until it ends or is paused. Tune calls `train` for each of its reports; the training
itself waits at each report, in a process of its own, for the next call, which brings the study's
decision. That process lives on from cell to cell, so what it has imported and built stays warm. A
paused cell's Tune trial ends, while its training stays there; the Tune trial that carries the cell
on finds it by the cell. A trainer that dies is replaced, and the actor lives on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import ray

from tuner.engines.process import HEAR_S, Processes, Trains
from tuner.engines.ray_tune.isolated import Isolated
from tuner.engines.shipping import Shipment
from tuner.forks.process import ProcessDied
from tuner.trial.cells import Cell, CellKey, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.data.datasets import Dataset

KEY = "tuner"
"""The key of a result that holds what is said; what it is does not concern Tune."""
HERE = "here"
"""The key of why a warm worker trains in its own process."""
RENEWED = "renewed"
"""The key that says that the trainer was replaced, with all that was parked there."""
CELL = "cell"


class Said(StrEnum):
    """What a worker says beside reports and outcomes: that it has imported what it needs, before
    its first cell; that its training takes its time; and that it has set a cell aside."""

    WARM = "warm"
    BUSY = "busy"
    KEPT = "kept"


class CellWorker:
    """Runs cells. `shipped` and `dataset` lie in the object store: read there, not copied.

    What Tune calls of its Trainables is `get_auto_filled_metrics`, `train`, `reset` and `stop`.
    """

    shipped: ray.ObjectRef[Shipment]
    dataset: ray.ObjectRef[Dataset] | None

    def __init__(self, config: dict[str, Any]) -> None:
        self._cell: Cell = config[CELL]
        self._new = True
        self._warm = False
        self._decision = Decision.CONTINUE
        self._asked = ""
        self._shipped = ray.get(self.shipped)
        function = "tuner.engines.ray_tune.trainings:Trainings"
        self._processes = Processes(function, self._shipped, self.dataset)
        self._trainer: Trains = self._processes.new()
        self._own = Isolated(self._shipped.memory_mb) if self._shipped.isolate else None

    def get_auto_filled_metrics(self, debug_metrics_only: bool = False) -> dict[str, Any]:
        """What Tune would know of a worker before its first result: nothing."""
        return {}

    def reset(self, config: dict[str, Any]) -> bool:
        """Take the next cell; that it can."""
        self._cell = config[CELL]
        self._new = True
        return True

    def stop_cell(self) -> None:
        """The study stops this cell: its report, which is waiting now, will say so."""
        self._decision = Decision.STOP

    def pause_cell(self) -> None:
        """The study pauses this cell: its training waits at its report until it goes on."""
        self._decision = Decision.PAUSE

    def end_trainer(self, key: CellKey) -> None:
        """Kill the trainer if it is at work on this cell."""
        if self._asked and self._cell.key == key:
            self._trainer.end()

    def train(self) -> dict[str, Any]:
        """The next report, (epoch, metrics, time_s), that the worker is warm or busy, or what Tune
        is done with: the Outcome, or that the cell is set aside."""
        if not self._asked:
            self._ask()
        try:
            said = self._trainer.hear(HEAR_S)
        except TimeoutError:
            return {KEY: Said.BUSY}
        except ProcessDied as died:
            self._asked = ""
            self._trainer.end()  # the next cell has another: this end is not to wait for it
            outcome = Outcome(Ending.DIED, str(died))
            return {KEY: outcome, RENEWED: self._own is None, "done": True}
        asked, self._asked = self._asked, ""
        if asked == "warm_up":
            return {KEY: Said.WARM, HERE: self._processes.here}
        if asked == "set_aside":
            if self._own is not None:
                self._own.put(self._cell, self._trainer)
                self._trainer = self._processes.new()
            return {KEY: Said.KEPT, "done": True}
        if not isinstance(said, Outcome):
            return {KEY: said}
        full = not self._processes.here and said.peak_rss_mb > self._shipped.most_mb
        if full or self._own is not None:
            self._renew()
        return {KEY: said, RENEWED: full, "done": True}

    def stop(self) -> None:
        """Tune is done with this worker."""
        if self._asked:
            self._trainer.end()
        else:
            self._processes.leave(self._trainer)

    def _ask(self) -> None:
        """Ask the trainer for what comes next."""
        decision, self._decision = self._decision, Decision.CONTINUE
        if self._new and not self._trainer.is_alive():
            self._renew()
            self._warm = False
        args: tuple[Any, ...] = ()
        if not self._warm:
            self._warm, self._asked = True, "warm_up"
        elif self._new:
            self._new, self._asked, args = False, "begin", (self._cell,)
            own = None if self._own is None else self._own.take(self._cell)
            if own is not None:
                self._trainer.end()
                self._trainer = own
        elif decision is Decision.PAUSE:
            self._asked = "set_aside"
        else:
            self._asked, args = "go_on", (decision,)
        self._trainer.ask(self._asked, *args)

    def _renew(self) -> None:
        self._trainer.end()
        self._trainer = self._processes.new()

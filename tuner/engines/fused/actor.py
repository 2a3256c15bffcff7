"""The fused engine's actor: it has a process in which a LaneWorker trains, and passes calls on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tuner.engines.fused.messages import DiedIdle, Worked
from tuner.engines.process import HEAR_S, Processes
from tuner.engines.shipping import Shipment
from tuner.forks.process import ProcessDied
from tuner.trial.cells import Cell, CellKey

if TYPE_CHECKING:
    from tuner.training.checkpoint import Checkpoint


class LaneActor:
    """Does as its LaneWorker does, which it replaces when that dies: its cells are lost then.

    That one died is said at once: a fork server that went too imports TensorFlow once more, and its
    cells would be late meanwhile.
    """

    def __init__(self, shipped: Shipment, dataset: Sequence[Any], lanes: int) -> None:
        """`dataset` holds the reference to one."""
        function = "tuner.engines.fused.start:lane_worker"
        self._processes = Processes(function, shipped, dataset[0], lanes)
        self._trainer = self._processes.new()
        self._ended = False
        self._busy = False

    def look(self, cells: Sequence[Cell], limit_s: float | None) -> tuple[str | None, int]:
        """Why the first of some cells cannot be trained in lanes, and how many forms they have.

        Nothing is known where that takes longer than `limit_s` for each, or ends the process: what
        does so will end its trials.
        """
        self._trainer.ask("look", cells)
        try:
            looked: tuple[str | None, int] = self._trainer.hear(limit_s and limit_s * len(cells))
        except (TimeoutError, ProcessDied):
            self.end_trainer()
            return None, 0
        return looked

    def work(
        self,
        cells: Sequence[Cell],
        freed: Sequence[CellKey],
        kept: Mapping[CellKey, Any] | None = None,
    ) -> Worked:
        """What cells go on from lies in the object store of a node, and is lost with it, or with
        what it was to come from: they then train from epoch 1.

        Raises ProcessDied, and DiedIdle where the process had ended since its last work.
        """
        import ray

        found: dict[CellKey, Checkpoint] = {}
        for key, at in (kept or {}).items():
            with suppress(ray.exceptions.RayError):
                checkpoint = ray.get(at)
                if checkpoint is not None:
                    found[key] = checkpoint
        if self._ended:
            self._trainer, self._ended = self._processes.new(), False
        elif not self._trainer.is_alive():
            self._bury()
        self._trainer.ask("work", cells, freed, found)
        self._busy = True
        return self.go_on()

    def go_on(self) -> Worked:
        """What the work brought. Raises ProcessDied; the next work has another process."""
        try:
            messages, seconds = self._trainer.hear(HEAR_S)
        except TimeoutError:
            return Worked(busy=True)
        except ProcessDied:
            self.end_trainer()
            raise
        self._busy = False
        return Worked(messages, seconds, here=self._processes.here)

    def _bury(self) -> None:
        try:
            self._trainer.hear()
        except ProcessDied as died:
            self.end_trainer()
            raise DiedIdle(died.message) from None

    def set_aside(self, key: CellKey) -> Checkpoint | None:
        """What a cell can go on from, here or elsewhere; None where it is parked in the process."""
        checkpoint: Checkpoint | None = self._trainer.call("set_aside", key)
        return checkpoint

    def end_trainer(self) -> None:
        """Kill the process; the next work has another."""
        self._trainer.end()
        self._ended, self._busy = True, False

    def leave(self) -> None:
        """Leave the process to the run that follows, at the end of this actor's life."""
        if self._busy:
            self._trainer.end()
        else:
            self._processes.leave(self._trainer)

"""A cell that lanes cannot train, trained by `fit` beside them, an epoch a call."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.training.run_cell import run_cell
from tuner.trial.cells import Cell, Decision, Outcome, Reported

if TYPE_CHECKING:
    from tuner.data.splits import Data
    from tuner.experiment.experiment import KerasModel


class PlainCell:
    """Trains in a thread of its own, which waits after every report for the next call."""

    def __init__(
        self,
        declaration: KerasModel,
        metric: str,
        cell: Cell,
        load_data: Callable[[], Data],
        folder: Path | None,
        checkpoint_every: int | None = None,
    ) -> None:
        self._decisions: queue.SimpleQueue[Decision] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Reported | Outcome] = queue.SimpleQueue()

        def send(epoch: int, metrics: Mapping[str, float], time_s: float) -> Decision:
            self._messages.put((epoch, dict(metrics), time_s))
            return self._decisions.get()

        def train() -> None:
            work = (declaration, metric, cell, send, load_data, folder, checkpoint_every)
            self._messages.put(run_cell(*work))

        self._thread = threading.Thread(target=train, name="fit", daemon=True)

    def epoch(self) -> Reported | Outcome:
        """Train until the next report, or to the end."""
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._decisions.put(Decision.CONTINUE)
        return self._messages.get()

    def stop(self) -> None:
        """End the training after the report that it waits at."""
        if self._thread.is_alive():
            self._decisions.put(Decision.STOP)
            self._thread.join()

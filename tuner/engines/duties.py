"""What every engine with workers owes: an end to cells that train too long, a worker for every
place that nodes bring along, and no more of them than a shared cluster allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.trial.cells import Cell, CellKey

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

WARM_UP_S = 60.0
"""What a worker may take beyond a cell's time limit until it is warm: it imports TensorFlow, and
loads the user's file."""
FIRST_S = 4.0
"""What the first call of lanes may take beyond the time limit: their program is compiled."""
NODES_S = 3.0
"""How often to look whether nodes of a cluster came or went."""


@dataclass
class _Time:
    began: float
    before_s: float
    warm_up_s: float


class Deadlines:
    """How long the cells have trained, and which of them longer than the experiment allows.

    The seconds of a cell that was paused go on counting when it goes on.
    """

    def __init__(self, limit_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`limit_s` is the most that a cell may train, None for any time."""
        self.limit_s = limit_s
        self.clock = clock
        self._running: dict[CellKey, _Time] = {}
        self._trained: dict[CellKey, float] = {}

    @property
    def why(self) -> str:
        """What is said of a cell that was late."""
        return f"the trial ran longer than its trial_timeout of {self.limit_s:g} s"

    def begin(self, cell: Cell, *, warm: bool = True) -> None:
        """A cell trains from now on, on a worker that is warm or has to import things first."""
        if cell.key not in self._running:
            before = self._trained.pop(cell.key, 0.0)
            warm_up_s = 0.0 if warm else WARM_UP_S
            self._running[cell.key] = _Time(self.clock(), before, warm_up_s)

    def warmed(self, cell: Cell) -> None:
        """The worker of a cell has imported what it needs: the cell's time begins now."""
        before = self._running[cell.key].before_s if cell.key in self._running else 0.0
        self._running[cell.key] = _Time(self.clock(), before, 0.0)

    def pause(self, cell: Cell) -> None:
        """A cell is set aside."""
        self._trained[cell.key] = self.seconds(cell)
        self._running.pop(cell.key, None)

    def end(self, cell: Cell) -> None:
        """A cell has ended, or is to begin again."""
        self._running.pop(cell.key, None)
        self._trained.pop(cell.key, None)

    def has_begun(self, cell: Cell) -> bool:
        """Whether a cell trains."""
        return cell.key in self._running

    def seconds(self, cell: Cell) -> float:
        """How long a cell has trained; 0 for one that has not begun."""
        running = self._running.get(cell.key)
        return 0.0 if running is None else self.clock() - running.began + running.before_s

    def is_late(self, cell: Cell) -> bool:
        """Whether a cell has trained longer than it may."""
        running = self._running.get(cell.key)
        if self.limit_s is None or running is None:
            return False
        return self.seconds(cell) > self.limit_s + running.warm_up_s


class Places:
    """For how many workers a cluster has place, as its nodes come and go, and as other studies do
    where it is shared."""

    def __init__(self, cluster: Runtime, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._looked = clock()
        self._mean_s = 0.0
        self._ended = 0

    @property
    def shared(self) -> bool:
        """Whether other studies may want them, so that there may be fewer than workers."""
        return self._cluster.lease is not None

    @property
    def left(self) -> int:
        """How many cells have not ended yet, as far as is known."""
        return 0 if self._cluster.lease is None else self._cluster.lease.left

    def look(self) -> int | None:
        """The places that there are; None between two looks, and where their number is given."""
        if self._cluster.lease is not None:
            return self._cluster.lease.allowed
        if not self._cluster.grows or self._clock() - self._looked < NODES_S:
            return None
        self._looked = self._clock()
        return self._cluster.slots()

    def tell(self, workers: int, wanted: int, seconds: Iterable[float] = ()) -> None:
        """Say how many workers there are and could be used; `seconds` is for how long the cells in
        flight have trained."""
        if self._cluster.lease is not None:
            self._cluster.lease.tell(workers, wanted, self._next_end(seconds))

    def took(self, seconds: float) -> None:
        """A cell has ended, after so many seconds."""
        self._ended += 1
        self._mean_s += (seconds - self._mean_s) / self._ended

    def wait(self, seconds: float) -> bool:
        """Wait until there is a place; whether there is one."""
        return self._cluster.lease is None or self._cluster.lease.wait(seconds)

    def _next_end(self, seconds: Iterable[float]) -> float | None:
        """In how many seconds a cell ends, if it takes as long as those before it did."""
        longest = max(seconds, default=None)
        if longest is None or not self._ended:
            return None
        return max(0.0, self._mean_s - longest)

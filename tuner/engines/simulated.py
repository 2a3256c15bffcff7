"""The simulated engine: given curves on a virtual clock. No process, no training, milliseconds.

It drives the very same study as the real engines, so what it shows of samplers and schedulers
holds for them. The study must be made with `clock=` this engine's `VirtualClock`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count, dropwhile

from tuner.engines.contract import Ended, Event, Reported, Study
from tuner.engines.drive import drive
from tuner.errors import EngineError
from tuner.trial.cells import Cell, CellKey, Ending, Outcome


@dataclass(frozen=True)
class Step:
    """One report of a curve: the epoch, its metrics, and the seconds since the step before."""

    epoch: int
    metrics: Mapping[str, float]
    seconds: float = 1.0


Curve = Callable[[Cell], Iterable[Step]]
"""What a cell would report, were it trained. It may raise: the cell then ends as a raise does."""


class VirtualClock:
    """Seconds that pass only when the simulation says so."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


@dataclass(order=True)
class _Next:
    """What a cell does next, and when: `step` is its report, None its end, with its `error`."""

    time: float
    order: int
    cell: Cell = field(compare=False)
    steps: Iterator[Step] = field(compare=False)
    began: float = field(compare=False)
    step: Step | None = field(compare=False, default=None)
    error: str | None = field(compare=False, default=None)


class Simulated:
    """An engine, and the carrier that it drives: `workers` cells at a time, on `clock`."""

    def __init__(self, curve: Curve, *, workers: int, clock: VirtualClock) -> None:
        self._curve = curve
        self._workers = workers
        self._clock = clock
        self._coming: list[_Next] = []
        self._orders = count()
        self._current: _Next | None = None
        self._paused: dict[CellKey, _Next] = {}

    def why_not(self) -> str | None:
        """None: whatever has curves can be simulated."""
        return None

    def run(self, study: Study) -> None:
        """Run a study until it is finished, or has nothing to start and nothing in flight."""
        drive(study, self)

    def has_room(self) -> bool:
        self._go_on()
        return len(self._coming) < self._workers

    def start(self, cell: Cell) -> None:
        now = self._clock.now
        paused = self._paused.pop(cell.key, None)
        if paused is not None and cell.start > 0:
            paused.began += now - paused.time
            self._push(replace(paused, time=now, order=next(self._orders), cell=cell))
            return
        born = cell.kin.born if cell.kin else 0
        steps = dropwhile(lambda step: step.epoch <= born, self._curve(cell))
        self._push(_Next(now, next(self._orders), cell, steps, now))

    def wait(self) -> Iterable[Event]:
        """The one thing that happens next. Raises EngineError where nothing ever will."""
        self._go_on()
        if not self._coming:
            raise EngineError("the study has no cell to start, none in flight, and is not finished")
        self._current = heapq.heappop(self._coming)
        coming, self._clock.now = self._current, self._current.time
        if coming.step is not None:
            epoch, metrics = coming.step.epoch, coming.step.metrics
            return [Reported(coming.cell, epoch, metrics, coming.time - coming.began)]
        self._current = None
        return [Ended(coming.cell, self._outcome(coming))]

    def is_stale(self, event: Event) -> bool:
        """False: an event comes when it happens."""
        return False

    def stop(self, last: Reported) -> Outcome:
        stopped, self._current = self._current, None
        assert stopped is not None  # its report came just now
        return self._outcome(stopped)

    def pause(self, last: Reported) -> None:
        paused, self._current = self._current, None
        assert paused is not None  # its report came just now
        self._paused[last.cell.key] = paused

    def _go_on(self) -> None:
        """Let the cell that has reported, and was not stopped, take its next step."""
        if self._current is not None:
            going_on, self._current = self._current, None
            going_on.order = next(self._orders)
            self._push(going_on)

    def _push(self, coming: _Next) -> None:
        coming.step = None
        try:
            coming.step = next(coming.steps, None)
        except Exception as error:  # noqa: BLE001  # the curve stands for a training function
            coming.error = f"{type(error).__name__}: {error}"
        if coming.step is not None:
            coming.time += coming.step.seconds
        heapq.heappush(self._coming, coming)

    def _outcome(self, ended: _Next) -> Outcome:
        ending = Ending.FINISHED if ended.error is None else Ending.RAISED
        seconds = self._clock.now - ended.began
        return Outcome(ending, ended.error, seconds, host="simulated", read_epochs=False)


def run(study: Study, curve: Curve, *, workers: int, clock: VirtualClock) -> None:
    """Run the study, `workers` cells at a time; a cell ends with its curve, or when stopped."""
    Simulated(curve, workers=workers, clock=clock).run(study)

"""The simulated engine: given curves on a virtual clock. No process, no training, milliseconds.

It drives the very same study as the real engines, so what it shows of samplers and schedulers
holds for them. The study must be made with `clock=` this engine's `VirtualClock`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from tuner.engines.contract import Study
from tuner.trial.cells import Cell, Decision, Ending, Outcome


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
class _Event:
    time: float
    order: int
    cell: Cell = field(compare=False)
    steps: Iterator[Step] = field(compare=False)
    started: float = field(compare=False)


def run(study: Study, curve: Curve, *, workers: int, clock: VirtualClock) -> None:
    """Run the study, `workers` cells at a time; a cell ends with its curve, or when stopped."""
    events: list[tuple[_Event, Step | None, str | None]] = []
    orders = count()
    while True:
        while len(events) < workers and (cell := study.ask()) is not None:
            event = _Event(clock.now, next(orders), cell, _ahead(curve(cell), cell), clock.now)
            heapq.heappush(events, _next(event))
        if not events:
            return
        event, step, error = heapq.heappop(events)
        clock.now = event.time
        elapsed = clock.now - event.started
        if step is not None:
            decision = study.report(event.cell, step.epoch, step.metrics, elapsed)
            if decision is Decision.CONTINUE:
                event.order = next(orders)
                heapq.heappush(events, _next(event))
                continue
            if decision is Decision.PAUSE:  # nobody is told, and the worker is free
                continue
        ending = Ending.RAISED if error is not None else Ending.FINISHED
        study.tell(event.cell, Outcome(ending, error, elapsed, host="simulated", read_epochs=False))


def _ahead(steps: Iterable[Step], cell: Cell) -> Iterator[Step]:
    """The steps after those that the cell trained before it was paused."""
    return (step for step in steps if step.epoch > cell.start)


def _next(event: _Event) -> tuple[_Event, Step | None, str | None]:
    """The event of the curve's next step, or of its end."""
    try:
        step = next(event.steps, None)
    except Exception as error:  # noqa: BLE001  # the curve stands for a user's training function
        return event, None, f"{type(error).__name__}: {error}"
    if step is not None:
        event.time += step.seconds
    return event, step, None

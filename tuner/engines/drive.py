"""The loop of the engines that we drive: what a carrier brings goes to the study, and back."""

from __future__ import annotations

from collections.abc import Callable

from tuner.engines.contract import Carrier, Ended, Study
from tuner.trial.cells import Cell, Decision


def drive(study: Study, carrier: Carrier, ask: Callable[[], Cell | None] | None = None) -> None:
    """Run a study on a carrier until it is finished; `ask` stands in for the study's own."""
    ask = ask or study.ask
    while True:
        while carrier.has_room() and (cell := ask()) is not None:
            carrier.start(cell)
        if study.finished:
            return
        for event in carrier.wait():
            if carrier.is_stale(event):
                continue
            if isinstance(event, Ended):
                study.tell(event.cell, event.outcome)
                continue
            decision = study.report(*event)
            if decision is Decision.STOP:
                study.tell(event.cell, carrier.stop(event))
            elif decision is Decision.PAUSE:
                carrier.pause(event)

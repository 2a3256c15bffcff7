"""Small studies on the simulated engine, shared by the tests of the brain."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.engines.simulated import Curve, Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.registry import said
from tuner.search_space.axes import Float, Int
from tuner.search_space.space import SearchSpace
from tuner.store.ledger import Ledger, journal_storage
from tuner.store.tables import Recorder
from tuner.study.restore import restore
from tuner.study.study import Study
from tuner.trial.cells import Cell

SPACE: dict[str, Any] = {"x": Float(0.0, 1.0), "epochs": Int(1, 9)}


def never(trial: Any) -> None:
    raise AssertionError("a simulated study trains nothing")


def experiment(**fields: Any) -> Experiment:
    """A settled experiment over SPACE with small defaults."""
    base: dict[str, Any] = {"name": "brain", "space": SPACE, "objective": never, "trials": 12}
    base |= {"sampler": "tpe", "scheduler": "asha"}
    return settle(Experiment(**{**base, **fields}), fields)


def open_study(settled: Experiment, folder: Path | None = None, clock: Any = None) -> Study:
    """A study in memory, or in `folder`, restored from what is there."""
    storage = None if folder is None else journal_storage(folder)
    ledger = Ledger(settled.name, settled.direction, storage)
    recorder = Recorder(folder, SearchSpace(settled.space), said(settled.engine))
    clock = clock or VirtualClock()
    study = Study(settled, ledger, recorder=recorder, enqueued=settled.first, clock=clock)
    restore(study)
    return study


def rising(cell: Cell) -> Iterator[Step]:
    """Curves that rise towards 1 - (x - 0.3)^2."""
    top = 1.0 - (cell.params["x"] - 0.3) ** 2
    for epoch in range(1, (cell.epochs or 9) + 1):
        yield Step(epoch, {"val_accuracy": top * (1.0 - 0.5**epoch), "loss": 1.0 / epoch})


def half_diverging(cell: Cell) -> Iterator[Step]:
    """Curves of which those with x above 0.5 end in NaN at once."""
    if cell.params["x"] > 0.5:
        yield Step(1, {"val_accuracy": math.nan})
    else:
        yield from rising(cell)


def simulate(
    settled: Experiment,
    curve: Curve = rising,
    *,
    workers: int = 1,
    folder: Path | None = None,
) -> Study:
    """Run a whole study on the simulated engine."""
    clock = VirtualClock()
    study = open_study(settled, folder, clock)
    try:
        run(study, curve, workers=workers, clock=clock)
    except BaseException:
        abandon(study)
        raise
    close(study)
    return study


def close(study: Study) -> None:
    """End a study as a run does: its tables written, and its files let go of."""
    study.close()


def abandon(study: Study) -> None:
    """Leave a study's files as a kill would; the test's process only lets go of them."""
    if study.recorder.store is not None:
        study.recorder.store.abandon()
    study.ledger.disconnect()

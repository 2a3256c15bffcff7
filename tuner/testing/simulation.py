"""A whole study in memory, on the simulated engine: no process, no training, milliseconds."""

from __future__ import annotations

from typing import Any

from tuner.engines.simulated import Curve, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.schedulers.contract import Scheduler
from tuner.search_space.axes import Float, Int
from tuner.store.ledger import Ledger
from tuner.study.study import Study
from tuner.testing.curves import rising
from tuner.trial.trial import Trial

SPACE = {"x": Float(0.0, 1.0), "epochs": Int(1, 9)}


def simulated(**fields: Any) -> Experiment:
    """A settled experiment over x in 0 to 1 and up to 9 epochs, 24 trials at random."""
    base: dict[str, Any] = {
        "name": "simulated",
        "space": SPACE,
        "objective": _never,
        "sampler": "random",
        "trials": 24,
    }
    return settle(Experiment(**{**base, **fields}), fields)


def simulate(
    experiment: Experiment,
    curve: Curve = rising,
    *,
    workers: int = 1,
    scheduler: Scheduler | None = None,
) -> Study:
    """The study after its run, `workers` cells at a time; `scheduler` takes the named one's place.

    Nothing is written. The experiment must be settled, as `simulated` makes it.
    """
    clock = VirtualClock()
    study = Study(experiment, Ledger(experiment.name, experiment.direction), clock=clock)
    if scheduler is not None:
        study.scheduler = scheduler
    run(study, curve, workers=workers, clock=clock)
    if study.abort is not None:
        raise study.abort
    return study


def _never(trial: Trial) -> None:
    raise NotImplementedError("a simulated study trains nothing")

"""Schedulers: whether a trial goes on after a report.

A scheduler sees losses (lower is better, whatever the study's direction), never NaN. In a
deterministic study it sees the values of earlier windows and the trial's own only, so that no
arrival order can change a decision.
"""

from __future__ import annotations

from tuner.errors import ExperimentError
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import most_epochs
from tuner.schedulers.asha import Asha
from tuner.schedulers.contract import NeverStop, Scheduler
from tuner.schedulers.hyperband import Hyperband
from tuner.schedulers.median import Median


def make_scheduler(experiment: Experiment) -> Scheduler:
    """The experiment's scheduler. Raises ExperimentError for hyperband without a last epoch."""
    eta, first = experiment.eta, experiment.min_epochs
    windowed = experiment.deterministic
    if experiment.scheduler == "asha":
        return Asha(eta, first, windowed=windowed)
    if experiment.scheduler == "median":
        return Median(first, windowed=windowed)
    if experiment.scheduler == "hyperband":
        last = most_epochs(experiment)
        if last is None:
            raise ExperimentError(
                "scheduler 'hyperband' sizes its brackets by a trial's last epoch, and nothing "
                "says it; give --epochs N"
            )
        return Hyperband(eta, first, last, windowed=windowed)
    return NeverStop()

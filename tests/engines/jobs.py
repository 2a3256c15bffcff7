"""Jobs for engines, of an objective made in memory unless a source says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuner.data.datasets import Dataset
from tuner.data.splits import Splits
from tuner.engines.contract import Job
from tuner.experiment.experiment import Experiment
from tuner.experiment.loading import Source

IN_MEMORY = Source("object", __name__)


def job(
    of: Any,
    dataset: Dataset | None = None,
    *,
    source: Source = IN_MEMORY,
    splits: Splits | None = None,
    files: Path | None = None,
) -> Job:
    """The job of an experiment, or of a study that has one."""
    experiment = of if isinstance(of, Experiment) else of.experiment
    return Job(experiment, source, splits or Splits(), dataset, files)

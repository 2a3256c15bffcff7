"""A study's folder with all of its files, made in milliseconds: for tests that read or break it."""

from __future__ import annotations

from pathlib import Path

from tests.brain import experiment, half_diverging, simulate
from tuner.experiment.loading import Loaded, Source
from tuner.store.study_json import describe


def make_study(folder: Path) -> None:
    """A study of 12 trials, some stopped, some diverged, simulated with all of its files."""
    settled = experiment(name=folder.name, eta=2, trials=12, seed=3, dataset=None)
    loaded = Loaded(settled, Source("object", __name__))
    describe(loaded, settled, None, name=folder.name).write(folder)
    simulate(settled, half_diverging, workers=2, folder=folder)

"""Study folders made on the simulated engine, shared by the tests of analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.brain import experiment, half_diverging, simulate
from tuner.engines.simulated import Curve
from tuner.experiment.loading import Loaded, Source
from tuner.results.results import Results, load
from tuner.store.study_json import describe


def saved(path: Path, curve: Curve = half_diverging, *, workers: int = 3, **fields: Any) -> Results:
    """A study's folder, made on the simulated engine."""
    path.mkdir(parents=True, exist_ok=True)
    settled = experiment(**fields)
    simulate(settled, curve, folder=path, workers=workers).ledger.disconnect()
    loaded = Loaded(settled, Source("object", "tests"))
    describe(loaded, settled, None, name=path.name).write(path)
    return load(path)

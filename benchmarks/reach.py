"""How many of the searches that people write are trained by lanes or programs, and why others not.

    python -m benchmarks.reach

Each of `ordinary_searches.py` has a point trained for an epoch, as a declared model. A function
with the same `model.fit` goes the same way, lanes aside.
"""

from __future__ import annotations

import argparse

from benchmarks.ordinary_searches import SEARCHES
from tuner.data.datasets import load
from tuner.data.splits import Splits, cell_data
from tuner.engines.fused.eligible import no_gain, some_cells, why_not
from tuner.experiment.experiment import Experiment, KerasModel
from tuner.experiment.settle import settle
from tuner.trial.cells import Cell, Decision
from tuner.trial.trial import Trial


def main() -> None:
    """A row a search."""
    argparse.ArgumentParser(prog="reach.py", description=__doc__).parse_args()
    from tuner.training.process import limit_threads, warm_up

    limit_threads(1)
    warm_up()
    counted = {"lanes": 0, "program": 0, "fit": 0}
    for name, experiment in SEARCHES.items():
        by, why = trained_by(experiment)
        counted[by] += 1
        print(f"{name:54s} {by:8s} {why}", flush=True)
    print(f"{counted['lanes'] + counted['program']} of {len(SEARCHES)}: {counted}")


def trained_by(experiment: Experiment) -> tuple[str, str]:
    """Who trains a search's first point, and why not lanes; or why Keras itself."""
    from tuner.lanes.rules import why_not as no_lanes
    from tuner.training.declared import build_model
    from tuner.training.process import clear_worker
    from tuner.training.run_cell import run_cell

    settled = settle(experiment, {})
    declared = settled.objective
    assert isinstance(declared, KerasModel)
    dataset = load("digits")
    data = cell_data(dataset, Splits())
    (cell,) = some_cells(settled, 1)

    def send(epoch: int, metrics: dict[str, float], time_s: float) -> Decision:
        return Decision.CONTINUE

    trial = Trial(cell, send, lambda: data)
    why = why_not(settled, dataset) or no_gain(settled)
    why = why or no_lanes(declared, trial, build_model(declared, trial))
    if why is None:
        return "lanes", ""
    outcome = run_cell(declared, "loss", Cell(**vars(cell)), send, lambda: data)
    clear_worker()
    if outcome.error:
        return "fit", outcome.error.strip().splitlines()[-1]
    return outcome.trained_by, outcome.trained_why or f"no lanes: {why}"


if __name__ == "__main__":
    main()

"""What each sampler finds with and without ASHA, at equal epochs spent, on made-up curves.

    python -m benchmarks.regret [--seeds 10] [--budget 400] [--workers 4]

The curves have the shape of those measured for an MLP under SGD: accuracy rises exponentially to a
plateau; plateau and speed depend on the effective step learning_rate / (1 - momentum), with an
optimum; far above it training diverges; repeated trainings differ by their seed. Regret is the best
possible plateau less the true plateau of the trial that the study calls best. The simulated engine
drives the very study that real runs use, on a virtual clock of one second an epoch.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import numpy as np

from tuner.engines.simulated import Step, VirtualClock, run
from tuner.experiment.experiment import Experiment
from tuner.experiment.settle import settle
from tuner.samplers.registry import SAMPLERS
from tuner.search_space.axes import Categorical, Float, Int
from tuner.store.ledger import Ledger
from tuner.study.study import Study
from tuner.trial.cells import Cell
from tuner.trial.trial import Trial

BEST = 0.975
EPOCHS = 27
SPACE = {
    "learning_rate": Float(1e-4, 10.0, log=True),
    "momentum": Float(0.0, 0.99),
    "decay": Float(1e-6, 1e-1, log=True),
    "nesterov": Categorical([True, False]),
    "epochs": Int(1, EPOCHS),
}


def plateau(params: dict[str, object]) -> float:
    """The accuracy that a training with these parameters tends to; NaN where it diverges."""
    step = _log_step(params)
    if step > 0.9:
        return math.nan
    decay = math.log10(float(params["decay"]))  # type: ignore[arg-type]
    loss = 0.02 * (step + 0.6) ** 2 + 0.01 * max(0.0, decay + 3.0) ** 2
    loss += 0.0 if params["nesterov"] else 0.002
    return max(0.1, BEST - loss)


def curve(cell: Cell) -> Iterator[Step]:
    """What a cell with these parameters reports, epoch by epoch."""
    params = dict(cell.params)
    rng = np.random.default_rng(cell.seed)
    top = plateau(params)
    if math.isnan(top):
        yield Step(1, {"val_accuracy": math.nan})
        return
    top += rng.normal(0.0, 0.002)
    speed = 0.15 * 10 ** (0.5 * min(1.0, _log_step(params) + 1.5))
    for epoch in range(1, (cell.epochs or EPOCHS) + 1):
        value = top - (top - 0.1) * math.exp(-speed * epoch) + rng.normal(0.0, 0.003)
        yield Step(epoch, {"val_accuracy": float(value)})


def regret(sampler: str, scheduler: str, seed: int, budget: int, workers: int) -> float:
    """The regret of one study that spends `budget` epochs."""
    experiment = Experiment("regret", SPACE, _never, trials=100_000)
    fields = {
        "sampler": sampler,
        "scheduler": scheduler,
        "seed": seed,
        # Without a scheduler a trial trains to the end, as `epochs` is what both have to spend.
        "space": {**SPACE, "epochs": EPOCHS},
        "time_limit": budget / workers,
    }
    settled = settle(experiment, fields)
    clock = VirtualClock()
    study = Study(settled, Ledger("regret", "maximize"), clock=clock)
    run(study, curve, workers=workers, clock=clock)
    best = study.best()
    return BEST - (0.1 if best is None else plateau(best.params))


def table(samplers: Sequence[str], seeds: int, budget: int, workers: int) -> list[list[str]]:
    """Rows of (sampler, scheduler, median regret, mean regret)."""
    rows = []
    for sampler in samplers:
        for scheduler in ("none", "asha"):
            found = [regret(sampler, scheduler, seed, budget, workers) for seed in range(seeds)]
            median, mean = statistics.median(found), statistics.fmean(found)
            rows.append([sampler, scheduler, f"{median:.5f}", f"{mean:.5f}"])
    return rows


def _log_step(params: dict[str, object]) -> float:
    rate, momentum = float(params["learning_rate"]), float(params["momentum"])  # type: ignore[arg-type]
    return math.log10(rate / (1.0 - momentum))


def _never(trial: Trial) -> None:
    raise NotImplementedError("a simulated study trains nothing")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=400, help="epochs that each study may spend")
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    samplers = [name for name in SAMPLERS.ours if name != "gp" or find_spec("torch")]
    print(f"{options.seeds} seeds, {options.budget} epochs, {options.workers} workers")
    print(f"{'sampler':10}{'scheduler':12}{'median regret':>15}{'mean regret':>15}")
    for row in table(samplers, options.seeds, options.budget, options.workers):
        print(f"{row[0]:10}{row[1]:12}{row[2]:>15}{row[3]:>15}")


if __name__ == "__main__":
    main()

"""Beale's function, no network: which sampler finds its minimum in the fewest trials?

f(x, y) = (1.5 - x + x y)^2 + (2.25 - x + x y^2)^2 + (2.625 - x + x y^3)^2 on [-4.5, 4.5]^2 has
its only minimum, 0, at (3, 0.5), in a flat valley between steep walls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.experiment.experiment import Experiment
from tuner.search_space.axes import Float

if TYPE_CHECKING:
    from tuner.trial.trial import Trial

LOW, HIGH = -4.5, 4.5


def beale(x: float, y: float) -> float:
    """Beale's function."""
    return sum((c - x + x * y**n) ** 2 for n, c in enumerate((1.5, 2.25, 2.625), start=1))


def train(trial: Trial) -> dict[str, float]:
    return {"f": beale(trial["x"], trial["y"])}


EXPERIMENT = Experiment(
    name="beale",
    space={
        "x": Float(LOW, HIGH, grid=[-4.5, -3.0, -1.5, 0.0, 1.5, 3.0, 4.5]),
        "y": Float(LOW, HIGH, grid=[-4.5, -3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5]),
    },
    objective=train,
    metric="f",
    direction="minimize",
    scheduler="none",
    dataset=None,
    trials=100,
)

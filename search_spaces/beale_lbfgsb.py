"""Beale's function by L-BFGS-B: from which starting points does descent reach the minimum?

The axes are the starting point; a trial is one `scipy.optimize.minimize` from it, within the same
bounds. Each evaluation of the function is a report with x, y and f, those that estimate the
gradient included; a trial's value is the least f it met. With the sampler "random", this is a
search by random restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search_spaces.beale import HIGH, LOW, beale
from tuner.experiment.experiment import Experiment
from tuner.search_space.axes import Float

if TYPE_CHECKING:
    from tuner.trial.trial import Trial


def train(trial: Trial) -> None:
    from scipy.optimize import minimize

    def evaluate(point: Any) -> float:
        x, y = map(float, point)
        f = beale(x, y)
        trial.report(trial.last_epoch + 1, {"x": x, "y": y, "f": f})
        return f

    start = [trial["x0"], trial["y0"]]
    minimize(evaluate, start, method="L-BFGS-B", bounds=[(LOW, HIGH), (LOW, HIGH)])


EXPERIMENT = Experiment(
    name="beale_lbfgsb",
    space={
        "x0": Float(LOW, HIGH, grid=[-4.0, -2.0, 0.0, 2.0, 4.0]),
        "y0": Float(LOW, HIGH, grid=[-4.0, -2.0, 0.0, 2.0, 4.0]),
    },
    objective=train,
    metric="f",
    direction="minimize",
    sampler="random",
    scheduler="none",
    value="best",
    dataset=None,
    trials=20,
)

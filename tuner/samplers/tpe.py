"""Tree-structured Parzen estimator, on the rung view."""

from __future__ import annotations

from typing import Any, ClassVar

from optuna.samplers import BaseSampler, TPESampler

from tuner.samplers.rung_view import RungViewSampler


class RungTPESampler(RungViewSampler):
    """Optuna's TPE, shown one value a trial, that of the highest rung which 20 have reached.

    By itself it ranks every COMPLETE trial above every PRUNED one, and the first to arrive at a
    rung complete, however poor. One axis at a time (`multivariate` takes them together); a third
    of the proposals is drawn at random.
    """

    several_goals: ClassVar[bool] = True

    def __init__(self, *, share: float = 1 / 3, multivariate: bool = False, **given: Any) -> None:
        super().__init__(share=share, **given)
        self._multivariate = multivariate

    def made(self, seed: int) -> BaseSampler:
        return TPESampler(
            seed=seed, n_startup_trials=0, multivariate=self._multivariate, constant_liar=False
        )

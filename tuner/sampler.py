"""Samplers by name. Each is one of Optuna's, made anew for every ask.

A proposal is a function of the study's seed, the trial's number and what was told: nothing is kept
between asks, so a resumed study goes on as an undisturbed one would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.seeds import ask_seed

if TYPE_CHECKING:
    import optuna


def make_sampler(name: str, study_seed: int, trial: int) -> optuna.samplers.BaseSampler:
    """The sampler `name` (tpe, random) that proposes trial number `trial`."""
    import optuna

    seed = ask_seed(study_seed, trial)
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)

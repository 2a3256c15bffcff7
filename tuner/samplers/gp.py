"""Optuna's Gaussian process, on the rung view."""

from __future__ import annotations

from typing import ClassVar

from optuna.samplers import BaseSampler, GPSampler

from tuner.samplers.rung_view import RungViewSampler


class RungViewGPSampler(RungViewSampler):
    """Optuna's GP, shown one value a trial: by itself it learns nothing from stopped trials."""

    several_goals: ClassVar[bool] = True
    needs: ClassVar[tuple[str, str]] = ("torch", "tuner[gp]")
    """A package that it needs beyond tuner's own, and what installs it."""

    def made(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed, n_startup_trials=0, warn_independent_sampling=False)

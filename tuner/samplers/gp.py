"""Optuna's Gaussian process."""

from __future__ import annotations

from optuna.samplers import GPSampler

from tuner.samplers.views import _Penalised, _Sees


class _GP(_Sees, GPSampler):
    view = _Penalised

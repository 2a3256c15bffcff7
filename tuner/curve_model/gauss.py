"""A Gaussian process over (row, log epoch), its lengths and variances fitted to what it is told.

Kernel: amplitude * Matern 5/2, a length for each column (the last is the log of the epoch), plus a
line in the log of the epoch, plus noise. Rasmussen and Williams, "Gaussian Processes for Machine
Learning", 2006: the kernel is (4.17), prediction (2.25, 2.26), the gradient of a fit (5.9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from tuner.curve_model.columns import Array

JITTER = 1e-6
LENGTHS, NOISE, AMPLITUDE = (-4.0, 4.0), (-9.0, 1.0), (-4.0, 3.0)
"""Bounds of the logarithms."""
MOST_STEPS = 8
"""Steps of a fit by L-BFGS-B: twice as many found nothing better in benchmarks.default_search."""


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> Any:
    """A context in which matrices are multiplied by one thread: these are small, and cores busy."""
    return _pools().limit(limits=1)


@dataclass(frozen=True)
class Theta:
    """What is fitted: lengths [d], and the variances of noise and kernel."""

    lengths: Array
    noise: float
    amplitude: float


def prior(columns: int) -> tuple[Array, Array]:
    """Means and deviations [columns + 2] of the log lengths, the log noise and log amplitude.

    A length grows with the root of the columns, as distances do (Hvarfner et al., "Vanilla Bayesian
    Optimization Performs Great in High Dimensions", ICML 2024).
    """
    length = math.log(0.5 * columns**0.5)
    means = np.r_[np.full(columns - 1, length), 0.0, math.log(0.05), 0.0]
    return means, np.r_[np.ones(columns - 1), 0.7, 1.5, 1.0]


def fit(x: Array, y: Array) -> Theta:
    """The most probable theta for values y [n] at x [n, d]: the same for the same data."""
    n, d = x.shape
    means, deviations = prior(d)
    upper = np.triu_indices(n, 1)
    squares = (x[upper[0]] - x[upper[1]]) ** 2  # [n (n - 1) / 2, d]: a kernel is symmetric
    line = np.outer(x[:, -1], x[:, -1])
    diagonal = np.diag_indices(n)

    def loss(theta: Array) -> tuple[float, Array]:
        """Minus the log of the posterior, and its gradient [d + 2]."""
        inverse = np.exp(-2 * theta[:d])
        noise, amplitude = np.exp(theta[d:])
        r = np.sqrt(5 * (squares @ inverse))
        e = amplitude * np.exp(-r)
        matern = (1 + r + r * r / 3) * e
        k = line.copy()
        k[upper] += matern
        k[diagonal] += amplitude + noise + JITTER
        factor = cholesky(k, lower=False, overwrite_a=True, check_finite=False)
        alpha = cho_solve((factor, False), y, check_finite=False)
        inverted, _ = dpotri(factor, lower=0)
        w = alpha[upper[0]] * alpha[upper[1]] - inverted[upper]
        trace = alpha @ alpha - inverted[diagonal].sum()
        z = (theta - means) / deviations
        gradient = np.r_[
            2 * ((5 / 3 * (1 + r) * e * w) @ squares) * inverse,
            trace * noise,
            2 * (w @ matern) + trace * amplitude,
        ]
        value = 0.5 * y @ alpha + np.log(factor[diagonal]).sum() + 0.5 * z @ z
        return value, z / deviations - gradient / 2

    bounds = [LENGTHS] * d + [NOISE, AMPLITUDE]
    options = {"maxiter": MOST_STEPS}
    found = minimize(loss, means, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Theta(np.exp(found[:d]), float(np.exp(found[d])), float(np.exp(found[d + 1])))


class Gauss:
    """The process given values y [n] at x [n, d]. It is asked at the last epoch alone."""

    def __init__(self, theta: Theta, x: Array, y: Array) -> None:
        self._theta = theta
        self._x = x
        noise = (theta.noise + JITTER) * np.eye(len(x))
        self._factor = cholesky(self._kernel(x, x) + noise, lower=True, check_finite=False)
        self._alpha = cho_solve((self._factor, True), y, check_finite=False)

    def end(self, rows: Array) -> tuple[Array, Array]:
        """Mean [m] and deviation [m] of the value at the last epoch, for rows [m, d - 1]."""
        _, mean, v = self._at(rows)
        variance = self._theta.amplitude + 1 - (v * v).sum(0)
        return mean, np.sqrt(np.maximum(variance, 1e-9))

    def draw(self, rows: Array, rng: np.random.Generator) -> Array:
        """One draw of the values [m] at the last epoch from their joint posterior."""
        at, mean, v = self._at(rows)
        covariance = self._kernel(at, at) - v.T @ v + 1e-5 * np.eye(len(at))
        factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        return np.asarray(mean + factor @ rng.normal(size=len(at)))

    def _at(self, rows: Array) -> tuple[Array, Array, Array]:
        at = np.column_stack([rows, np.ones(len(rows))])  # the last epoch's log is 1
        k = self._kernel(self._x, at)
        v = solve_triangular(self._factor, k, lower=True, check_finite=False)
        return at, k.T @ self._alpha, v

    def _kernel(self, a: Array, b: Array) -> Array:
        """[n, m] between points [n, d] and [m, d], without noise."""
        p, q = a / self._theta.lengths, b / self._theta.lengths
        squares = (p * p).sum(1)[:, None] + (q * q).sum(1) - 2 * p @ q.T
        r = np.sqrt(5 * np.maximum(squares, 0))
        matern = (1 + r + r * r / 3) * np.exp(-r)
        return np.asarray(self._theta.amplitude * matern + np.outer(a[:, -1], b[:, -1]))

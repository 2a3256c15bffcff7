"""A Gaussian process over (row, log epoch), its lengths and variances fitted to what it is told.

Kernel: amplitude * Matern 5/2, a length for each column (the last is the log of the epoch), plus a
line in the log of the epoch, plus noise. Where `lines` [n, k] are given, a line in each of them
too, of a weight whose prior is the standard normal. Rasmussen and Williams, "Gaussian Processes
for Machine Learning", 2006: the kernel is (4.17), a line (2.40), prediction (2.25, 2.26), the
gradient of a fit (5.9).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs
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


def prior(columns: int, amplitude: float = 1.0) -> tuple[Array, Array]:
    """Means and deviations [columns + 2] of the log lengths, the log noise and log amplitude.

    A length grows with the root of the columns, as distances do (Hvarfner et al., "Vanilla Bayesian
    Optimization Performs Great in High Dimensions", ICML 2024).
    """
    length = math.log(0.5 * columns**0.5)
    means = np.r_[np.full(columns - 1, length), 0.0, math.log(0.05), math.log(amplitude)]
    return means, np.r_[np.ones(columns - 1), 0.7, 1.5, 1.0]


def fit(x: Array, y: Array, lines: Array | None = None, amplitude: float = 1.0) -> Theta:
    """The most probable theta for values y [n] at x [n, d]: the same for the same data.

    `amplitude` is what the kernel's variance is thought to be beforehand.
    """
    n, d = x.shape
    means, deviations = prior(d, amplitude)
    if n == 0:
        return _theta(means)
    one, other = np.triu_indices(n, 1)
    pair = one * n + other  # where pairs stand in a flat matrix [n * n]; it is symmetric
    squares = (x[one] - x[other]) ** 2  # [n (n - 1) / 2, d]
    line = np.outer(x[:, -1], x[:, -1])
    if lines is not None:
        line += lines @ lines.T

    def loss(theta: Array) -> tuple[float, Array]:
        """Minus the log of the posterior, and its gradient [d + 2]."""
        inverse = np.exp(-2 * theta[:d])
        noise, amplitude = np.exp(theta[d:])
        r = np.sqrt(5 * (squares @ inverse))
        e = amplitude * np.exp(-r)
        matern = (1 + r + r * r / 3) * e
        k = line.copy()
        k.reshape(-1)[pair] += matern
        k.reshape(-1)[:: n + 1] += amplitude + noise + JITTER
        factor, failed = dpotrf(k.T, lower=1, overwrite_a=1)  # LAPACK's rows are our columns
        if failed:
            raise np.linalg.LinAlgError("the kernel of a fit is not positive definite")
        alpha, _ = dpotrs(factor, y, lower=1)
        log_determinant = 2 * np.log(factor.diagonal()).sum()
        inverted = dpotri(factor, lower=1, overwrite_c=1)[0].T
        w = alpha[one] * alpha[other] - inverted.reshape(-1)[pair]
        trace = alpha @ alpha - inverted.trace()
        z = (theta - means) / deviations
        gradient = np.r_[
            2 * ((5 / 3 * (1 + r) * e * w) @ squares) * inverse,
            trace * noise,
            2 * (w @ matern) + trace * amplitude,
        ]
        value = 0.5 * (y @ alpha + log_determinant + z @ z)
        return value, z / deviations - gradient / 2

    bounds = [LENGTHS] * d + [NOISE, AMPLITUDE]
    options = {"maxiter": MOST_STEPS}
    found = minimize(loss, means, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return _theta(found)


def _theta(logs: Array) -> Theta:
    """What its logarithms [d + 2] stand for."""
    return Theta(np.exp(logs[:-2]), float(np.exp(logs[-2])), float(np.exp(logs[-1])))


class Gauss:
    """The process given values y [n] at x [n, d], with `lines` [n, k] or none."""

    def __init__(self, theta: Theta, x: Array, y: Array, lines: Array | None = None) -> None:
        self._theta = theta
        self._x = x
        self._lines = lines
        noise = (theta.noise + JITTER) * np.eye(len(x))
        kernel = _with_lines(self._kernel(x, x), lines, lines)
        self._factor = cholesky(kernel + noise, lower=True, check_finite=False)
        self._alpha = cho_solve((self._factor, True), y, check_finite=False)

    def mean(self, x: Array) -> Array:
        """Mean [m] at x [m, d]; for a process without lines."""
        return np.asarray(self._kernel(x, self._x) @ self._alpha)

    def weights(self) -> Array:
        """Mean [k] of the lines' weights."""
        assert self._lines is not None
        return np.asarray(self._lines.T @ self._alpha)

    def end(self, rows: Array, lines: Array | None = None) -> tuple[Array, Array]:
        """Mean [m] and deviation [m] of the value at the last epoch, for rows [m, d - 1]."""
        _, mean, v = self._at(rows, lines)
        variance = self._theta.amplitude + 1 - (v * v).sum(0)
        if lines is not None:
            variance += (lines * lines).sum(1)
        return mean, np.sqrt(np.maximum(variance, 1e-9))

    def draw(self, rows: Array, rng: np.random.Generator, lines: Array | None = None) -> Array:
        """One draw of the values [m] at the last epoch from their joint posterior."""
        at, mean, v = self._at(rows, lines)
        prior = _with_lines(self._kernel(at, at), lines, lines)
        covariance = prior - v.T @ v + 1e-5 * np.eye(len(at))
        factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        return np.asarray(mean + factor @ rng.normal(size=len(at)))

    def _at(self, rows: Array, lines: Array | None) -> tuple[Array, Array, Array]:
        at = np.column_stack([rows, np.ones(len(rows))])  # the last epoch's log is 1
        k = _with_lines(self._kernel(self._x, at), self._lines, lines)
        v = solve_triangular(self._factor, k, lower=True, check_finite=False)
        return at, k.T @ self._alpha, v

    def _kernel(self, a: Array, b: Array) -> Array:
        """[n, m] between points [n, d] and [m, d], without noise."""
        scale = math.sqrt(5) / self._theta.lengths
        p, q = a * scale, b * scale
        r = (-2 * p) @ q.T  # [n, m] each of these, and none of them twice: half the time
        r += (p * p).sum(1)[:, None]
        r += (q * q).sum(1)
        np.sqrt(np.maximum(r, 0, out=r), out=r)
        k = np.exp(-r)
        k *= self._theta.amplitude
        r += 1  # so that the kernel's 1 + r + r^2 / 3 is (r (r + 1) + 1) / 3
        k *= r * (r + 1) + 1
        k /= 3
        k += np.outer(a[:, -1], b[:, -1])
        return k


def _with_lines(kernel: Array, a: Array | None, b: Array | None) -> Array:
    """A kernel [n, m] with that of lines [n, k] and [m, k] added, where there are any."""
    return kernel if a is None or b is None else kernel + a @ b.T

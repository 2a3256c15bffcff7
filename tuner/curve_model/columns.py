"""A space's axes as columns: points as units from 0 to 1, and rows of numbers that a model reads.

A point of `a` axes is a vector of `a` units, in the order of the axes; NaN where it has not the
axis. Numbers lie on 0..1 (by logarithm where the axis is), whole and stepped ones half a step away
from the ends; category i of c has the unit (i + 0.5) / c.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

Array = NDArray[np.float64]
APART = 0.7
"""A category's value in its column: two categories are a distance of 1 apart."""
ABSENT = object()
"""Stands for a value that a point has not."""


class Axis:
    """One axis: between its values and units."""

    def __init__(self, distribution: BaseDistribution) -> None:
        self.distribution = distribution

    def units(self, units: Array) -> Array:
        """The units of the values nearest to `units` ([n], from 0 to 1)."""
        raise NotImplementedError

    def places(self, values: Sequence[Any]) -> Array:
        """The units [n] of values; NaN for what is not on the axis, such as ABSENT."""
        raise NotImplementedError

    def value(self, unit: float) -> Any:
        raise NotImplementedError


class Number(Axis):
    """A float or whole number; with a step, its ends lie half a step outside."""

    distribution: FloatDistribution | IntDistribution

    def __init__(self, distribution: FloatDistribution | IntDistribution) -> None:
        super().__init__(distribution)
        self._whole = isinstance(distribution, IntDistribution)
        self._step = distribution.step or 0
        self.stepped = bool(self._step)
        self._log = distribution.log
        low, high = distribution.low - self._step / 2, distribution.high + self._step / 2
        self._low = math.log(low) if self._log else float(low)
        self._width = (math.log(high) if self._log else float(high)) - self._low or 1.0

    def units(self, units: Array) -> Array:
        if not self._step:
            return units
        low, high = self.distribution.low, self.distribution.high
        values = self._low + units * self._width
        values = np.exp(values) if self._log else values
        values = np.clip(low + np.rint((values - low) / self._step) * self._step, low, high)
        return ((np.log(values) if self._log else values) - self._low) / self._width

    def places(self, values: Sequence[Any]) -> Array:
        numbers = np.array([v if isinstance(v, (int, float)) else math.nan for v in values], float)
        numbers[~np.isfinite(numbers)] = math.nan
        if self._log:
            numbers[numbers <= 0] = math.nan
            numbers = np.log(numbers)
        return np.clip((numbers - self._low) / self._width, 0.0, 1.0)

    def value(self, unit: float) -> int | float:
        low, high = self.distribution.low, self.distribution.high
        value = self._low + float(unit) * self._width
        value = math.exp(value) if self._log else value
        if self._step:
            value = low + round((value - low) / self._step) * self._step
        return min(max(int(value) if self._whole else float(value), low), high)


class Category(Axis):
    """One of some choices, in no order."""

    distribution: CategoricalDistribution

    def __init__(self, distribution: CategoricalDistribution) -> None:
        super().__init__(distribution)
        self.count = len(distribution.choices)

    def index(self, units: Array) -> Array:
        return np.minimum(np.floor(units * self.count), self.count - 1)

    def units(self, units: Array) -> Array:
        return (self.index(units) + 0.5) / self.count

    def places(self, values: Sequence[Any]) -> Array:
        known, place = self.distribution.choices, self.distribution.to_internal_repr
        indices = [place(value) if value in known else math.nan for value in values]
        return (np.array(indices, float) + 0.5) / self.count

    def value(self, unit: float) -> Any:
        return self.distribution.choices[min(int(unit * self.count), self.count - 1)]


def axis_of(distribution: BaseDistribution) -> Axis:
    """The axis of an Optuna distribution. Raises TypeError for one of another kind."""
    if isinstance(distribution, CategoricalDistribution):
        return Category(distribution)
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return Number(distribution)
    raise TypeError(f"{type(distribution).__name__} is neither categorical, float nor int")


class Columns:
    """The axes of a space, by name, in order."""

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.axes = {name: axis_of(distribution) for name, distribution in space.items()}
        self._categories = np.array([isinstance(a, Category) for a in self.axes.values()], bool)

    def points(self, given: Sequence[Mapping[str, Any]]) -> Array:
        """Units [n, a] of points; NaN for an axis one lacks, or whose value is not on the axis.

        A value may be off its axis: a range may have changed since it was told.
        """
        columns = [
            axis.places([params.get(name, ABSENT) for params in given])
            for name, axis in self.axes.items()
        ]
        return np.column_stack(columns) if columns else np.zeros((len(given), 0))

    def params(self, units: Array) -> dict[str, Any]:
        """The values of a point; an axis it lacks is left out."""
        return {
            name: axis.value(unit)
            for (name, axis), unit in zip(self.axes.items(), units, strict=True)
            if not math.isnan(unit)
        }

    def settled(self, units: Array) -> Array:
        """Points [n, a] moved to the nearest values that are on the axes."""
        if not self.axes:
            return units
        axes = zip(self.axes.values(), units.T, strict=True)
        return np.column_stack([axis.units(column) for axis, column in axes])

    def draws(self, rng: np.random.Generator, count: int) -> Array:
        """`count` points [count, a] at random."""
        return self.settled(rng.random((count, len(self.axes))))

    def mutants(self, rng: np.random.Generator, parents: Array) -> Array:
        """A changed copy [n, a] of each parent [n, a].

        Of its axes each changes with a rate of 0.2, 0.5 or 1: a number by a normal step of 0.03,
        0.1 or 0.2, turned back at the ends, a category to any. Axes that it lacks are drawn.
        """
        shape = parents.shape
        rate = rng.choice([0.2, 0.5, 1.0], (shape[0], 1))
        width = rng.choice([0.03, 0.1, 0.2], (shape[0], 1))
        drawn, stepped = rng.random(shape), np.abs(parents + width * rng.normal(size=shape))
        stepped = np.clip(np.minimum(stepped, 2 - stepped), 0.0, 1.0)
        changed = np.where(self._categories, drawn, stepped)
        units = np.where(rng.random(shape) < rate, changed, parents)
        return self.settled(np.where(np.isnan(parents), drawn, units))

    def rows(self, units: Array, lacking: Sequence[bool]) -> Array:
        """What the model reads of points [n, a]: [n, columns].

        A category has a column for each choice, a number one of its own, 0.5 where a point lacks
        it, and where any point may lack it (`lacking`, [a]) another that says so.
        """
        columns: list[Array] = []
        for axis, column, may_lack in zip(self.axes.values(), units.T, lacking, strict=True):
            absent = np.isnan(column)
            if isinstance(axis, Category):
                index = axis.index(column)
                columns += [APART * (index == choice) for choice in range(axis.count)]
            else:
                columns.append(np.where(absent, 0.5, column))
                if may_lack:
                    columns.append(absent.astype(float))
        return np.column_stack(columns) if columns else np.zeros((len(units), 0))

"""Learning curves for simulated studies, made by wrapping: noisy(diverging(rising)).

A curve turns a cell into the steps that it would report, `val_accuracy` and `loss` by epoch, up to
`cell.epochs` (9 where nothing says). It is a function of the cell alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuner.engines.simulated import Curve, Step
from tuner.trial.cells import Cell

METRIC = "val_accuracy"
EPOCHS = 9


def place(params: Mapping[str, Any]) -> float:
    """Where the point's first number lies, in 0 to 1; its fraction where it is larger."""
    numbers = [v for v in params.values() if isinstance(v, int | float)]
    return abs(float(numbers[0])) % 1.0 if numbers else 0.5


def rising(cell: Cell) -> Iterator[Step]:
    """Rises towards 1 - (x - 0.3)**2, where x is the point's place: ranks never change."""
    top = 1.0 - (place(cell.params) - 0.3) ** 2
    for epoch in range(1, (cell.epochs or EPOCHS) + 1):
        yield Step(epoch, {METRIC: top * (1.0 - 0.5**epoch), "loss": 1.0 / epoch})


def crossing(cell: Cell) -> Iterator[Step]:
    """The better it ends, the slower it begins: rungs mislead."""
    x = place(cell.params)
    for epoch in range(1, (cell.epochs or EPOCHS) + 1):
        value = x * (1.0 - math.exp(-epoch / (1.0 + 4.0 * x)))
        yield Step(epoch, {METRIC: value, "loss": 1.0 - value})


def noisy(curve: Curve, by: float = 0.01) -> Curve:
    """The curve with normal noise on its metric, the same for the same seed, fold and epoch."""

    def noise(cell: Cell) -> Iterator[Step]:
        for step in curve(cell):
            draw = random.Random(f"{cell.seed} {step.epoch}").gauss(0.0, by)
            yield replace(step, metrics={**step.metrics, METRIC: step.metrics[METRIC] + draw})

    return noise


def diverging(curve: Curve, share: float = 0.5, at: int = 1) -> Curve:
    """The curve, but NaN from epoch `at` on for those points whose place is above 1 - share."""

    def diverge(cell: Cell) -> Iterator[Step]:
        for step in curve(cell):
            lost = step.epoch >= at and place(cell.params) > 1.0 - share
            yield replace(step, metrics={**step.metrics, METRIC: math.nan}) if lost else step

    return diverge


def raising(curve: Curve, share: float = 0.2, attempts: int = 1) -> Curve:
    """The curve, but a share of the cells raise at their end, in their first `attempts`."""

    def fail(cell: Cell) -> Iterator[Step]:
        yield from curve(cell)
        if cell.attempt <= attempts and cell.seed % 100 < 100 * share:
            raise ValueError("a simulated failure")

    return fail

"""A trial's value: what it is judged by, and of which epoch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Value(NamedTuple):
    """A trial's value, its standard deviation over folds (ddof 0), and the epoch it is of.

    `scores` are the values of several goals there, `violation` that of the constraints.
    """

    value: float | None = None
    std: float | None = None
    epoch: int | None = None
    scores: tuple[float, ...] = ()
    violation: float = 0.0


def best_epoch(curve: Mapping[int, float], sign: float) -> int:
    """The epoch with the best value, the earliest of equals; `sign` is -1 where it is maximised."""
    return min(curve, key=lambda epoch: (sign * curve[epoch], epoch))


def mean_of(
    values: Sequence[float],
    epoch: int | None,
    scores: Sequence[tuple[float, ...]],
    violation: float,
) -> Value:
    """A value over folds: the mean of theirs, with their deviation."""
    if not values:
        return Value()
    std = statistics.pstdev(values) if len(values) > 1 else None
    means = tuple(map(statistics.fmean, zip(*scores, strict=True)))
    return Value(statistics.fmean(values), std, epoch, means, violation)

"""What more trials of a search would still gain, by the values of those that it has.

The next trials are taken for draws like the last ones. The best of `m` of the `n` values is then
known in the mean, exactly, and so is what the last two doublings of the trials have gained, from
n/4 to n. The later of two doublings gains half of what the one before did: so it has a third of
both, and the next trials have of that their part of a doubling. (A mean over two doublings is
steadier than the gap between the two best values, from which extreme value theory would say it, and
on tables of learning curves nearer to what came.) A sampler that learns may draw better than it
did: so a search has not converged either while its newest trials have gained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MORE = 20
"""Trials that an estimate is for."""
TRAININGS = 20
"""Whole trainings' worth of epochs before which an estimate ends no search."""
SHARE = 0.0125
"""Of the way from a middling trial to the best: what `MORE` whole trainings must promise. With 0.02
twice as many trials are saved, for four times the regret (benchmarks.converged)."""
FEWEST = 8
"""Values without which there is no estimate."""


@dataclass(frozen=True)
class Outlook:
    """What `MORE` trials would gain, in the metric's units; infinite where nobody can say.

    `lately` is what the last so many have gained, `least` the gain up to which they are not worth
    it, `trainings` how many whole trainings the epochs so far come to.
    """

    gain: float
    lately: float
    least: float
    trainings: float

    @property
    def converged(self) -> bool:
        """Whether the search has come to its end."""
        return self.trainings >= TRAININGS and max(self.gain, self.lately) <= self.least

    def __str__(self) -> str:
        if not math.isfinite(self.gain):
            return f"too early to say what another {MORE} trials would gain"
        return f"another {MORE} trials would gain about {self.gain:.2g}"


def outlook(losses: Sequence[float], trainings: float, least: float | None = None) -> Outlook:
    """The outlook of a search whose trials have these losses (lower is better), in their order.

    An infinite loss is of a trial that came to nothing. Without `least` it is SHARE of the way from
    the middling loss to the best, by as much less as a trial trains less than a whole training: so
    equal gains are asked of equal epochs.
    """
    known = [loss for loss in losses if math.isfinite(loss)]
    if least is None:
        way = float(np.median(known)) - min(known) if known else 0.0
        least = SHARE * way * min(1.0, trainings / max(1, len(losses)))
    before = min(losses[:-MORE], default=math.inf)
    lately = before - min(known) if known else math.inf
    return Outlook(expected_gain(losses), lately, least, trainings)


def expected_gain(losses: Sequence[float], more: int = MORE) -> float:
    """By how much the best of these losses would fall with `more` trials; infinite for too few.

    Never negative; it scales with them, and their order says nothing.
    """
    known = [loss for loss in losses if math.isfinite(loss)]
    if len(known) < FEWEST:
        return math.inf
    values = np.minimum(np.array(losses, float), max(known))  # what came to nothing is the worst
    n = len(values)
    best = float(values.min())
    two_doublings = max(0.0, expected_best(values, n // 4) - best)
    return two_doublings / 3 * math.log2(1 + more / n)


def expected_best(losses: NDArray[np.float64], draws: int) -> float:
    """The mean of the lowest of `draws` of these losses, over all ways to draw them."""
    n = len(losses)
    lowest = 0.0
    left = 1.0  # the share of draws that lack all losses before this one
    for place, loss in enumerate(np.sort(losses)[: n - draws + 1].tolist()):
        is_lowest = draws / (n - place)
        lowest += left * is_lowest * loss
        left *= 1 - is_lowest
    return lowest

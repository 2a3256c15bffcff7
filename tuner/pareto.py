"""Who is better where several things count: fronts, an order of all, and how much a front gains.

Losses are arrays [n, m]: a row a trial, a column a goal, lower is better. One row dominates another
where it is better in a goal and worse in none; a front is what nothing dominates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.intp]


def front(losses: Array) -> Places:
    """The places of the rows that no other one dominates, rising; equals stand together."""
    left = np.lexsort(losses.T[::-1])  # what dominates a row stands before it
    found: list[int] = []
    while len(left):
        first, rest = left[0], left[1:]
        found.append(int(first))
        same = (losses[rest] == losses[first]).all(axis=1)
        found += rest[same].tolist()
        better = (losses[rest] < losses[first]).any(axis=1)
        left = rest[better]
    return np.sort(np.array(found, np.intp))


def order(losses: Array, violations: Array, count: int | None = None) -> list[int]:
    """The rows' places, the best first, `count` of them (None: all).

    Front after front, each in the order of an epsilon-net: those that stand apart come first, so
    that any part of it keeps the breadth of the whole. Rows with a violation come last, the
    smallest first. Schmucker et al., "Multi-objective Asynchronous Successive Halving",
    arXiv 2106.12639, 2021, section 3.
    """
    wanted = len(losses) if count is None else min(count, len(losses))
    left = np.flatnonzero(violations <= 0)
    found: list[int] = []
    while len(left) and len(found) < wanted:
        best = front(losses[left])
        found += [int(left[best[place]]) for place in epsilon_net(losses[left[best]])]
        left = np.delete(left, best)
    if len(found) < wanted:
        lost = np.flatnonzero(violations > 0)
        found += lost[np.argsort(violations[lost], kind="stable")].tolist()
    return found[:wanted]


def epsilon_net(losses: Array) -> list[int]:
    """The rows' places: the best of the first goal, then always the one furthest from all before.

    Each goal counts by its range among the rows; of equals the earlier comes first.
    """
    spans = np.ptp(losses, axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(spans > 0, spans, 1.0)
    found = [int(np.argmin(losses[:, 0]))]
    far = np.full(len(losses), np.inf)
    while len(found) < len(losses):
        far = np.minimum(far, np.square(scaled - scaled[found[-1]]).sum(axis=1))
        far[found[-1]] = -1.0
        found.append(int(np.argmax(far)))
    return found


def hypervolume(losses: Array, reference: Array) -> float:
    """How much of what lies before `reference` [m] the rows dominate: an area with two goals."""
    inside = losses[(losses < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if losses.shape[1] == 1:
        return float(reference[0] - inside.min())
    inside = inside[front(inside)]
    inside = inside[np.argsort(inside[:, -1], kind="stable")]
    tops = np.append(inside[1:, -1], reference[-1])
    return sum(
        float(top - row[-1]) * hypervolume(inside[: at + 1, :-1], reference[:-1])
        for at, (row, top) in enumerate(zip(inside, tops, strict=True))
        if top > row[-1]
    )

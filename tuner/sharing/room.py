"""What the nodes of a cluster have left, as slots are put on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

Resources = Mapping[str, float]
"""Amounts by Ray's names: CPU, GPU, memory (bytes)."""

EPSILON = 1e-6
"""Fractions of a GPU add up to a whole one but for this."""


class Room:
    """Nodes, each filled from its own resources: a slot never spans two of them.

    Slots without a GPU leave the nodes that have one to others, where they have place elsewhere:
    the engines' label selectors say the same to Ray.
    """

    def __init__(self, nodes: Sequence[Resources]) -> None:
        self._nodes = nodes
        self._left = [dict(node) for node in nodes]

    def take(self, slot: Resources, count: int) -> int:
        """Put up to `count` slots on the nodes; how many there was place for."""
        placed = 0
        for index in self._open_to(slot):
            left = self._left[index]
            here = min(count - placed, fit(left, slot))
            for name, amount in slot.items():
                left[name] = left.get(name, 0.0) - here * amount
            placed += here
        return placed

    def use(self, amounts: Resources) -> None:
        """Take what others than studies use, of whatever node has it: Ray tells their sum alone."""
        for name, amount in amounts.items():
            rest = amount
            for left in self._left:
                here = min(rest, max(0.0, left.get(name, 0.0)))
                left[name] = left.get(name, 0.0) - here
                rest -= here

    def nodes(self) -> list[Resources]:
        """What each node has left."""
        return [dict(left) for left in self._left]

    def _open_to(self, slot: Resources) -> list[int]:
        every = range(len(self._nodes))
        if slot.get("GPU"):
            return list(every)
        spared = [i for i in every if not self._nodes[i].get("GPU")]
        elsewhere = any(fit(self._nodes[i], slot) for i in spared)
        return spared if elsewhere else list(every)


def fit(has: Resources, slot: Resources) -> int:
    """How many slots fit what a node has."""
    counts = [has.get(name, 0.0) / amount + EPSILON for name, amount in slot.items() if amount]
    return max(0, int(min(counts, default=0.0)))


def total_of(nodes: Sequence[Resources]) -> dict[str, float]:
    """What all nodes have together; 0 of what none has."""
    total: dict[str, float] = defaultdict(float)
    for node in nodes:
        for name, amount in node.items():
            total[name] += amount
    return total


def slots_of(nodes: Sequence[Resources], slot: Resources) -> int:
    """How many slots the nodes hold when nothing else is on them."""
    room = Room(nodes)
    return room.take(slot, sum(fit(node, slot) for node in nodes))

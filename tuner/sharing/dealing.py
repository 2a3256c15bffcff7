"""Who may hold how many slots of a cluster: pure rules over what the studies say.

Weighted dominant-resource fairness (Ghodsi et al., NSDI 2011): of the resource of which a study's
slots take the largest part, studies get equal parts by their weights. Slots are whole: the rest
that does not divide goes round, a quantum of time each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.sharing.room import EPSILON, Resources, Room, total_of

QUANTUM_S = 20.0
"""How long a slot that does not divide stays with a study while another one is owed it. A worker's
start costs seconds, a newcomer's wait among many studies is a multiple of this."""


@dataclass(frozen=True)
class Claim:
    """What a study says, and what it is owed.

    `wanted` is how many slots it could use, `least` how few are of use to it, `target` what it had
    by the last deal. `credit_s` is how long it has been owed a slot (negative: how long it has had
    one more than its share).
    """

    study: str
    user: str
    slot: Resources
    wanted: int
    weight: float = 1.0
    least: int = 1
    held: int = 0
    target: int = 0
    credit_s: float = 0.0

    @property
    def enough(self) -> int:
        """The fewest slots that it runs with."""
        return min(self.least, self.wanted)


@dataclass(frozen=True)
class Deal:
    """A study's fair share, in fractions of a slot, and the whole slots that it is to have now."""

    fair: float
    target: int


def deal(claims: Sequence[Claim], nodes: Sequence[Resources]) -> dict[str, Deal]:
    """What each study is to have, by its name.

    Never more than the nodes have place for; nothing that is wanted and fits is left; among studies
    of equal slots each is within one of its fair share. Where shares are smaller than `least`, who
    is owed the least waits with nothing, and its turn comes. What nobody wants stays with those
    who hold it, since their workers are warm.
    """
    fair = fair_shares(claims, nodes)
    waits: set[str] = set()
    while True:
        active = [c for c in claims if c.wanted and c.study not in waits]
        room = Room(nodes)
        targets = _whole(active, fair_shares(active, nodes) if waits else fair, room)
        short = [c for c in active if c.least > 1 and targets[c.study] < c.enough]
        if not short:
            break
        waits.add(min(short, key=lambda c: (_credit(c, 0), c.study)).study)
    for claim in claims:
        if claim.study not in waits:
            had = targets.get(claim.study, 0)
            kept = room.take(claim.slot, max(0, min(claim.held, claim.target) - had))
            targets[claim.study] = had + kept
    return {c.study: Deal(fair.get(c.study, 0.0), targets.get(c.study, 0)) for c in claims}


def _whole(claims: Sequence[Claim], fair: dict[str, float], room: Room) -> dict[str, int]:
    """Whole slots from fair shares: large slots find a place first, then the rest goes round."""
    targets = {
        claim.study: room.take(claim.slot, int(fair[claim.study] + EPSILON))
        for claim in sorted(claims, key=_size)
    }
    wants = [claim for claim in claims if targets[claim.study] < claim.wanted]

    def owed(claim: Claim) -> tuple[bool, float, str]:
        has = targets[claim.study]
        part = fair[claim.study] - has
        return part > EPSILON, part + _credit(claim, has) / QUANTUM_S, claim.study

    while wants:
        first = max(wants, key=owed)
        placed = room.take(first.slot, 1)
        targets[first.study] += placed
        if not placed or targets[first.study] == first.wanted:
            wants.remove(first)
    return targets


def _credit(claim: Claim, has: int) -> float:
    """What a study is owed; one that had the slot in question keeps it for a quantum."""
    return claim.credit_s + (QUANTUM_S if claim.target > has else 0.0)


def _size(claim: Claim) -> tuple[float, ...]:
    """Sorts large slots to the front."""
    return tuple(-claim.slot.get(name, 0.0) for name in ("GPU", "CPU", "memory"))


def fair_shares(claims: Sequence[Claim], nodes: Sequence[Resources]) -> dict[str, float]:
    """Weighted max-min of dominant shares, in fractions of a slot; a user's studies share a weight.

    The water rises for all at once: a study stops at what it wants, or where a resource of its
    slots is used up.
    """
    total = total_of(nodes)
    active = [c for c in claims if c.wanted and all(total[r] > EPSILON for r in c.slot)]
    of_user = Counter(claim.user for claim in active)
    rate = {}
    for claim in active:
        part = max(amount / total[name] for name, amount in claim.slot.items())
        rate[claim.study] = claim.weight / of_user[claim.user] / part
    got = {claim.study: 0.0 for claim in claims}
    left = dict(total)
    rising = active
    while rising:
        speed: dict[str, float] = defaultdict(float)
        for claim in rising:
            for name, amount in claim.slot.items():
                speed[name] += rate[claim.study] * amount
        until_wanted = [(c.wanted - got[c.study]) / rate[c.study] for c in rising]
        until_used = [max(0.0, left[name]) / by for name, by in speed.items() if by]
        rise = min([*until_wanted, *until_used])
        for claim in rising:
            got[claim.study] += rate[claim.study] * rise
        left = {name: has - speed[name] * rise for name, has in left.items()}
        used = {name for name, has in left.items() if has < EPSILON * max(1.0, total[name])}
        rising = [
            c for c in rising if got[c.study] < c.wanted - EPSILON and used.isdisjoint(c.slot)
        ]
    return got


@dataclass(frozen=True)
class Standing:
    """A study between what it was told and what it is to have.

    It may hold `allowed`, and until it has said that it heard so, as many as it was told before:
    `promised`, the most of them.
    """

    study: str
    slot: Resources
    held: int
    allowed: int
    promised: int
    target: int
    enough: int = 1
    credit_s: float = 0.0


def grant(standings: Sequence[Standing], nodes: Sequence[Resources]) -> dict[str, int]:
    """How many slots each study may hold from now on, by its name.

    Less at once; more only of what is free for certain: what others hold, may hold, or were told
    and have not yet acknowledged is not.
    """
    room = Room(nodes)
    lowered = {one.study: min(one.allowed, one.target) for one in standings}
    bound = {one.study: max(one.held, one.promised, lowered[one.study]) for one in standings}
    for one in standings:
        room.take(one.slot, bound[one.study])
    allowed = {}
    for one in sorted(standings, key=lambda s: (-s.credit_s, s.study)):
        more = max(lowered[one.study], min(one.target, bound[one.study]))
        more += room.take(one.slot, one.target - more)
        allowed[one.study] = more if more >= one.enough else lowered[one.study]
    return allowed

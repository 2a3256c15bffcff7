"""What the broker knows and does, on a clock that a test may turn: hear, deal, answer."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from tuner.sharing.dealing import QUANTUM_S, Claim, Standing, deal, grant
from tuner.sharing.messages import Answer, Beat, Other, Row
from tuner.sharing.room import Resources, Room, slots_of, total_of

SILENT_S = 6.0
"""A driver that was silent for so long has lost its slots."""
LISTEN_S = 2.0
"""How long to listen before anything is given, where slots are held that somebody else gave."""
LEFT_KEPT = 1000
"""How many drivers that ended are remembered: a beat of theirs may still be on its way."""
NOTHING = Answer(allowed=0, grant=0, fair=0.0, slots=0, next_s=None, others=[])
LOOKS = 3
"""What others use counts once it was seen so many times: a worker that ends is no stranger's."""


@dataclass(eq=False)
class Seat:
    """A study at the table: its last beat, and what it was given.

    `promised` is the most that it may believe it is allowed; `acked` says it believes `allowed`.
    """

    beat: Beat
    heard: float
    credit_s: float
    allowed: int
    promised: int
    grant: int
    target: int = 0
    fair: float = 0.0

    @property
    def claim(self) -> Claim:
        """What the next deal is to know of it."""
        beat = self.beat
        return Claim(
            beat["boot"], beat["user"], beat["slot"], beat["wanted"], beat["weight"],
            beat["least"], beat["held"], self.target, self.credit_s,
        )  # fmt: skip

    @property
    def standing(self) -> Standing:
        """What the next grant is to know of it."""
        beat = self.beat
        return Standing(
            beat["boot"], beat["slot"], beat["held"], self.allowed, self.promised, self.target,
            self.claim.enough, self.credit_s,
        )  # fmt: skip

    def allow(self, slots: int) -> bool:
        """Tell it another number; whether it is another."""
        if slots == self.allowed:
            return False
        self.allowed = slots
        self.promised = max(self.promised, slots)
        self.grant += 1
        return True


class Dealer:
    """Deals the slots of a cluster to the studies that beat. It keeps nothing that is not said
    again with each beat, but for credits, which are a matter of half a minute."""

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, listen_s: float = 0.0
    ) -> None:
        self._clock = clock
        self._listen_until = clock() + listen_s
        self._seats: dict[str, Seat] = {}
        self._nodes: list[Resources] = []
        self._strangers: deque[Resources] = deque(maxlen=LOOKS)
        self._left: deque[str] = deque(maxlen=LEFT_KEPT)
        self._turned = clock()

    def hear(self, beat: Beat) -> None:
        """Take a driver's beat; an older one than the last is of no use."""
        if beat["boot"] in self._left:
            return
        now, seat = self._clock(), self._seats.get(beat["boot"])
        if seat is None:
            credit = max((s.credit_s for s in self._seats.values()), default=0.0)
            allowed = max(beat["allowed"], beat["held"])
            seat = Seat(beat, now, credit, allowed, allowed, beat["grant"], allowed)
            self._seats[beat["boot"]] = seat
            if allowed:  # an earlier broker gave them: others may hold some that we do not know of
                self._listen_until = max(self._listen_until, now + LISTEN_S)
        elif beat["number"] > seat.beat["number"]:
            seat.beat = beat
            if beat["grant"] == seat.grant:
                seat.promised = seat.allowed
        seat.heard = now

    def leave(self, boot: str) -> None:
        """A driver has ended."""
        self._seats.pop(boot, None)
        self._left.append(boot)

    def look(self, nodes: Sequence[Resources], free: Resources) -> None:
        """Take over what the living nodes have, less what others than studies have used for a
        while; `free` is what nobody uses, of all nodes together."""
        used = total_of(nodes)
        for name in used:
            used[name] -= free.get(name, 0.0)
        for seat in self._seats.values():
            for name, amount in seat.beat["slot"].items():
                used[name] -= seat.beat["held"] * amount
        self._strangers.append(used)
        steady = len(self._strangers) == LOOKS
        room = Room(nodes)
        if steady:
            least = {n: min(seen.get(n, 0.0) for seen in self._strangers) for n in used}
            room.use({name: max(0.0, amount) for name, amount in least.items()})
        self._nodes = room.nodes()

    def turn(self) -> list[str]:
        """Drop the silent, deal, and give what is free; who is allowed another number now."""
        now = self._clock()
        passed, self._turned = now - self._turned, now
        for boot, seat in list(self._seats.items()):
            if now - seat.heard > SILENT_S:
                del self._seats[boot]
        for seat in self._seats.values():
            self._count_credit(seat, passed)
        if now < self._listen_until:
            return []
        for boot, dealt in deal([s.claim for s in self._seats.values()], self._nodes).items():
            self._seats[boot].fair, self._seats[boot].target = dealt.fair, dealt.target
        allowed = grant([s.standing for s in self._seats.values()], self._nodes)
        return [boot for boot, slots in allowed.items() if self._seats[boot].allow(slots)]

    def _count_credit(self, seat: Seat, passed: float) -> None:
        if not seat.beat["wanted"]:
            seat.credit_s = 0.0
            return
        owed = (seat.fair - seat.beat["held"]) / max(1, seat.beat["least"])
        most = 2 * QUANTUM_S
        seat.credit_s = max(-most, min(most, seat.credit_s + owed * passed))

    def answer(self, boot: str) -> Answer:
        """What a study may hold now: nothing once it has left."""
        seat = self._seats.get(boot)
        if seat is None:
            return NOTHING
        others = [
            Other(
                study=s.beat["study"], user=s.beat["user"],
                held=s.beat["held"], wanted=s.beat["wanted"],
            )
            for s in self._seats.values()
            if s is not seat and (s.beat["wanted"] or s.beat["held"])
        ]  # fmt: skip
        return Answer(
            allowed=seat.allowed,
            grant=seat.grant,
            fair=seat.fair,
            slots=slots_of(self._nodes, seat.beat["slot"]),
            next_s=self._next_s(seat),
            others=others,
        )

    def _next_s(self, seat: Seat) -> float | None:
        """When the next cell ends of a study that has to give a slot back; None: nobody knows."""
        now = self._clock()
        ends = [
            s.beat["ends_s"] - (now - s.heard)
            for s in self._seats.values()
            if s is not seat and s.beat["held"] > s.target and s.beat["ends_s"] is not None
        ]
        return max(0.0, min(ends)) if ends else None

    def demand(self, most: int) -> list[dict[str, float]]:
        """What an autoscaler is to make place for: all slots that are wanted, of all studies, and
        of each in turn where they are more than `most`."""
        wanted = [[s.beat["slot"]] * min(s.beat["wanted"], most) for s in self._seats.values()]
        in_turn = chain.from_iterable(zip_longest(*wanted))
        return list(islice((slot for slot in in_turn if slot is not None), most))

    def rows(self) -> list[Row]:
        """The studies, for those who look."""
        now = self._clock()
        return [
            Row(**seat.beat, fair=seat.fair, may=seat.allowed, silent_s=now - seat.heard)
            for seat in self._seats.values()
        ]

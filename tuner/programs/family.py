"""A family: steps that differ in their numbers alone, and what of the whole step these become.

A step traced in full holds the constants of its forward pass, in whatever places, and constants of
the gradient and the update, which are the same in all of a family: the optimizer's state is part
of it, and no rule of TensorFlow's for gradients looks at the value of a float. So where each
number that varies went is seen from a few members, and the next one need not be traced in full.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tuner.programs.program import Numbers, bits

ENOUGH, KEPT = 3, 8
"""How many members must be traced in full before another follows from them; the most kept."""


@dataclass
class Family:
    """Of members traced in full: the numbers of their forward pass, and of the whole step."""

    structure: str
    members: list[tuple[Numbers, Numbers]] = field(default_factory=list)

    def join(self, structure: str, forward: Numbers, whole: Numbers) -> None:
        """Add a member. One of another structure says that this is no family: it forgets all."""
        if structure != self.structure:
            self.structure, self.members = structure, []
        self.members = [*self.members[-KEPT + 1 :], (forward, whole)]

    def whole_of(self, forward: Numbers) -> Numbers | None:
        """The numbers of a step with this forward pass; None where the members do not say."""
        if len(self.members) < ENOUGH:
            return None
        known = list(zip(*(bits(member) for member, _ in self.members), strict=True))
        given = bits(forward)
        for seen, one in zip(known, given, strict=True):
            if len(set(seen)) == 1 and one != seen[0]:
                return None  # a number that varies for the first time: where does it go?
        found = []
        for place, seen in enumerate(zip(*(bits(whole) for _, whole in self.members), strict=True)):
            if len(set(seen)) == 1:
                found.append(self.members[0][1][place])
                continue
            origins = [index for index, column in enumerate(known) if column == seen]
            if not origins or len({given[index] for index in origins}) > 1:
                return None
            found.append(forward[origins[0]])
        return tuple(found)

"""The programs of a process: found by their identity, the least used given up for memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from tuner.programs.family import Family
from tuner.programs.identity import Identity
from tuner.programs.program import Numbers, Program, same
from tuner.programs.trace import Name

NODES_KEPT = 60_000
"""How large the graphs of all programs may be together, in nodes: a bound on their memory, not
measured in bytes."""


@dataclass(frozen=True)
class Known:
    """What a cheap identity leads to: a program, its step's numbers, and where the tensors that the
    step captures are among those that the identity lists."""

    program: Program
    numbers: Numbers
    names: tuple[Name, ...]
    places: tuple[int, ...]


class Programs:
    """A cache of programs. Not for several threads."""

    def __init__(self, nodes_kept: int = NODES_KEPT) -> None:
        self.nodes_kept = nodes_kept
        self._programs: OrderedDict[Program, Hashable] = OrderedDict()  # the last used is last
        self._of_structure: dict[Hashable, list[Program]] = {}
        self._known: dict[Hashable, Known] = {}
        self._families: dict[Hashable, tuple[Family, Known]] = {}

    def __len__(self) -> int:
        return len(self._programs)

    @property
    def nodes(self) -> int:
        """How large all graphs are together."""
        return sum(program.nodes for program in self._programs)

    def clear(self) -> None:
        """Forget everything."""
        self._programs.clear()
        self._of_structure.clear()
        self._known.clear()
        self._families.clear()

    def find(
        self,
        structure: Hashable,
        numbers: Numbers,
        make: Callable[[frozenset[int]], Program],
        *,
        lift: bool,
    ) -> tuple[Program, bool]:
        """The program of a step and whether it was there; else `make` it.

        With `lift`, a program may have numbers for inputs: a structure's second set of numbers
        makes one that takes any number in the places in which the two differ.
        """
        made = self._of_structure.get(structure, [])
        for program in reversed(made):
            if program.takes(numbers) and (lift or not program.lifted):
                self._programs.move_to_end(program)
                return program, True
        lifted: frozenset[int] = frozenset()
        if lift and made:
            last = made[-1]
            differ = zip(last.numbers, numbers, strict=True)
            lifted = last.lifted | {i for i, (a, b) in enumerate(differ) if not same(a, b)}
        program = make(lifted)
        self._programs[program] = structure
        self._of_structure.setdefault(structure, []).append(program)
        self._make_room()
        return program, False

    def recall(self, identity: Identity, *, lift: bool) -> Known | None:
        """What a cheap identity leads to: it was met before, or follows, with `lift`, from others
        of its family."""
        known = self._known.get(identity.key) or (self._inferred(identity) if lift else None)
        if known is None or known.names != identity.names or (known.program.lifted and not lift):
            return None
        self._programs.move_to_end(known.program)
        return known

    def remember(self, identity: Identity, structure: str, known: Known) -> None:
        """Let a cheap identity lead to what a full trace, of this structure, found."""
        self._known[identity.key] = known
        family, _ = self._families.setdefault(identity.family, (Family(structure), known))
        family.join(structure, identity.numbers, known.numbers)
        self._families[identity.family] = family, known

    def _inferred(self, identity: Identity) -> Known | None:
        if identity.family not in self._families:
            return None
        family, last = self._families[identity.family]
        numbers = family.whole_of(identity.numbers)
        if numbers is None or not last.program.takes(numbers):
            return None
        known = replace(last, numbers=numbers)
        self._known[identity.key] = known
        return known

    def _make_room(self) -> None:
        while self.nodes > self.nodes_kept and len(self._programs) > 1:
            program, structure = self._programs.popitem(last=False)
            self._of_structure[structure].remove(program)
            if not self._of_structure[structure]:
                del self._of_structure[structure]
            self._known = {key: k for key, k in self._known.items() if k.program is not program}
            self._families = {
                key: kept for key, kept in self._families.items() if kept[1].program is not program
            }

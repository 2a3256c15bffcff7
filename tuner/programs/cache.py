"""The programs of a process: found by their identity, the least used given up for memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from tuner.programs.program import Numbers, Program, same

NODES_KEPT = 60_000
"""How large the graphs of all programs may be together, in nodes: a bound on their memory, not
measured in bytes."""


@dataclass(frozen=True)
class Known:
    """What a cheap identity leads to: a program, its step's numbers, and where the tensors that the
    step captures are among those that the identity lists."""

    program: Program
    numbers: Numbers
    names: tuple[str, ...]
    places: tuple[int, ...]


class Programs:
    """A cache of programs. Not for several threads."""

    def __init__(self, nodes_kept: int = NODES_KEPT) -> None:
        self.nodes_kept = nodes_kept
        self._programs: OrderedDict[Program, Hashable] = OrderedDict()  # the last used is last
        self._of_structure: dict[Hashable, list[Program]] = {}
        self._known: dict[Hashable, Known] = {}

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

    def recall(self, identity: Hashable, *, lift: bool) -> Known | None:
        """What a cheap identity leads to, if it was met before."""
        known = self._known.get(identity)
        if known is None or (known.program.lifted and not lift):
            return None
        self._programs.move_to_end(known.program)
        return known

    def remember(self, identity: Hashable, known: Known) -> None:
        """Let a cheap identity lead to a program."""
        self._known[identity] = known

    def _make_room(self) -> None:
        while self.nodes > self.nodes_kept and len(self._programs) > 1:
            program, structure = self._programs.popitem(last=False)
            self._of_structure[structure].remove(program)
            if not self._of_structure[structure]:
                del self._of_structure[structure]
            self._known = {key: k for key, k in self._known.items() if k.program is not program}

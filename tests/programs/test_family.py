"""What a step's numbers become, told from a few members of its family."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tuner.programs.family import ENOUGH, Family
from tuner.programs.program import bits

VALUES = st.sampled_from([np.float32(0.1), np.float32(0.5), np.float64(0.5), np.float32(0.9)])


def family(*members: tuple[list[Any], list[Any]]) -> Family:
    found = Family("same")
    for forward, whole in members:
        found.join("same", tuple(map(np.float32, forward)), tuple(map(np.float32, whole)))
    return found


def test_a_number_goes_where_it_went() -> None:
    seen = family(([1, 5], [7, 5, 1, 1]), ([2, 5], [7, 5, 2, 2]), ([3, 5], [7, 5, 3, 3]))
    assert seen.whole_of((np.float32(4), np.float32(5))) == (7, 5, 4, 4)


def test_it_says_nothing_of_what_it_has_not_seen() -> None:
    few = family(([1], [1]), ([2], [2]))
    assert few.whole_of((np.float32(3),)) is None
    never_varied = family(([1, 5], [1]), ([2, 5], [2]), ([3, 5], [3]))
    assert never_varied.whole_of((np.float32(1), np.float32(6))) is None
    derived = family(([1], [1, 0.5]), ([2], [2, 0.25]), ([3], [3, 0.125]))
    assert derived.whole_of((np.float32(4),)) is None


def test_what_two_numbers_may_have_become_must_be_equal() -> None:
    seen = family(([1, 1], [1]), ([2, 2], [2]), ([3, 3], [3]))
    assert seen.whole_of((np.float32(4), np.float32(5))) is None
    assert seen.whole_of((np.float32(4), np.float32(4))) == (4,)


def test_members_of_another_structure_begin_anew() -> None:
    seen = family(([1], [1]), ([2], [2]), ([3], [3]))
    seen.join("other", (np.float32(4),), (np.float32(8),))
    assert seen.whole_of((np.float32(3),)) is None


@given(st.data())
def test_what_it_says_is_what_a_full_trace_would_find(data: st.DataObject) -> None:
    wide = data.draw(st.integers(1, 4))
    places = data.draw(st.lists(st.integers(0, wide), max_size=6))  # the last is a constant's

    def whole(forward: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple((*forward, np.float32(7))[place] for place in places)

    draw = st.tuples(*[VALUES] * wide)
    members = data.draw(st.lists(draw, min_size=ENOUGH, max_size=12))
    found = Family("same")
    for forward in members:
        found.join("same", forward, whole(forward))
    new = data.draw(draw)
    said = found.whole_of(new)
    if said is not None:
        assert bits(said) == bits(whole(new))

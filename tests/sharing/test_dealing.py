"""The dealing: never more than there is, fair within one slot, nothing idle that is wanted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.sharing.dealing import QUANTUM_S, Claim, Standing, deal, fair_shares, grant
from tuner.sharing.room import Room, fit, slots_of

CPU = {"CPU": 1.0}


def claim(study: str, wanted: int, **more: Any) -> Claim:
    return Claim(study, more.pop("user", study), more.pop("slot", CPU), wanted, **more)


def targets(claims: list[Claim], nodes: list[dict[str, float]]) -> dict[str, int]:
    return {study: dealt.target for study, dealt in deal(claims, nodes).items()}


# ------------------------------------------------------------------------ by hand


def test_a_study_alone_has_it_all() -> None:
    assert targets([claim("a", 50)], [{"CPU": 8.0}]) == {"a": 8}


def test_a_newcomer_gets_half_and_what_one_leaves_goes_to_the_other() -> None:
    assert targets([claim("a", 50), claim("b", 50)], [{"CPU": 8.0}]) == {"a": 4, "b": 4}
    assert targets([claim("a", 50), claim("b", 1)], [{"CPU": 8.0}]) == {"a": 7, "b": 1}


def test_weights_hold_and_a_users_studies_share_one() -> None:
    ones_and_two = [claim("a", 50), claim("b", 50, weight=2.0)]
    assert targets(ones_and_two, [{"CPU": 9.0}]) == {"a": 3, "b": 6}
    ann = [claim("a", 50, user="ann"), claim("b", 50, user="ann")]
    assert targets([*ann, claim("c", 50)], [{"CPU": 8.0}]) == {"a": 2, "b": 2, "c": 4}


def test_of_different_resources_the_dominant_one_counts() -> None:
    """The example of the paper: 9 CPUs and 18 GB."""
    a = claim("a", 50, slot={"CPU": 1.0, "memory": 4.0})
    b = claim("b", 50, slot={"CPU": 3.0, "memory": 1.0})
    assert targets([a, b], [{"CPU": 9.0, "memory": 18.0}]) == {"a": 3, "b": 2}


def test_slots_fit_nodes_and_not_their_sum() -> None:
    nodes = [{"CPU": 3.0}, {"CPU": 3.0}]
    assert targets([claim("a", 50, slot={"CPU": 2.0})], nodes) == {"a": 2}
    assert targets([claim("a", 50, slot={"CPU": 4.0})], nodes) == {"a": 0}


def test_what_needs_no_gpu_leaves_the_nodes_that_have_one() -> None:
    nodes = [{"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0}]
    halves = claim("b", 50, slot={"CPU": 1.0, "GPU": 0.5})
    assert targets([claim("a", 50), halves], nodes) == {"a": 4, "b": 2}
    assert targets([claim("a", 50)], nodes[:1]) == {"a": 4}


def test_what_does_not_divide_goes_to_whom_it_is_owed_and_stays_for_a_quantum() -> None:
    nodes = [{"CPU": 1.0}]
    a, b = claim("a", 9, target=1, held=1), claim("b", 9)
    assert targets([a, b], nodes) == {"a": 1, "b": 0}
    owed = claim("b", 9, credit_s=QUANTUM_S + 1)
    assert targets([a, owed], nodes) == {"a": 0, "b": 1}


def test_two_that_need_everything_take_turns_and_never_wait_for_each_other() -> None:
    nodes = [{"CPU": 8.0}]
    a, b = claim("a", 50, least=8, target=8, held=8), claim("b", 50, least=8)
    assert targets([a, b], nodes) == {"a": 8, "b": 0}
    a, b = (
        claim("a", 50, least=8, target=8, held=8, credit_s=-20.0),
        claim("b", 50, least=8, credit_s=20.0),
    )
    assert targets([a, b], nodes) == {"a": 0, "b": 8}


def test_a_minimum_waits_with_nothing_rather_than_runs_with_less() -> None:
    dealt = targets([claim("a", 50), claim("b", 50, least=6)], [{"CPU": 8.0}])
    assert dealt == {"a": 8, "b": 0}
    assert targets([claim("b", 3, least=6)], [{"CPU": 8.0}]) == {"b": 3}


def test_what_nobody_wants_stays_with_who_holds_it() -> None:
    idle = claim("a", 1, held=5, target=5)
    assert targets([idle], [{"CPU": 8.0}]) == {"a": 5}
    assert targets([idle, claim("b", 6)], [{"CPU": 8.0}]) == {"a": 2, "b": 6}


def test_a_cluster_without_nodes_has_nothing_to_give() -> None:
    assert targets([claim("a", 5)], []) == {"a": 0}


# ------------------------------------------------------------------------ properties

slots = st.fixed_dictionaries(
    {"CPU": st.sampled_from([0.5, 1.0, 2.0, 3.0])},
    optional={"GPU": st.sampled_from([0.25, 0.5, 1.0]), "memory": st.sampled_from([1.0, 4.0])},
)
nodes_of_all_kinds = st.lists(
    st.fixed_dictionaries(
        {"CPU": st.integers(0, 16).map(float), "memory": st.integers(0, 32).map(float)},
        optional={"GPU": st.integers(1, 4).map(float)},
    ),
    max_size=5,
)


one = st.just(1)


@st.composite
def claims_of_all_kinds(draw: Any, slot: Any = slots, least: Any = one) -> list[Claim]:
    count = draw(st.integers(1, 8))
    return [
        Claim(
            f"s{i}",
            f"u{draw(st.integers(0, 4))}",
            draw(slot),
            draw(st.integers(0, 30)),
            draw(st.sampled_from([0.5, 1.0, 2.0])),
            draw(least),
            draw(st.integers(0, 4)),
            draw(st.integers(0, 4)),
            draw(st.floats(-40, 40)),
        )
        for i in range(count)
    ]


@given(claims_of_all_kinds(least=st.integers(1, 6)), nodes_of_all_kinds)
def test_never_more_is_dealt_than_there_is(
    claims: list[Claim], nodes: list[dict[str, float]]
) -> None:
    dealt = targets(claims, nodes)
    needs: dict[str, float] = defaultdict(float)
    for one in claims:
        assert dealt[one.study] <= max(one.wanted, min(one.held, one.target))
        assert dealt[one.study] <= slots_of(nodes, one.slot)
        for name, amount in one.slot.items():
            needs[name] += dealt[one.study] * amount
    for name, amount in needs.items():
        assert amount <= sum(node.get(name, 0.0) for node in nodes) + 1e-3


@given(claims_of_all_kinds(slot=st.just(CPU)), st.lists(st.integers(0, 16), max_size=4))
def test_of_equal_slots_all_is_dealt_that_is_wanted_and_each_is_within_one_of_its_share(
    claims: list[Claim], cpus: list[int]
) -> None:
    nodes = [{"CPU": float(count)} for count in cpus]
    dealt = deal(claims, nodes)
    wanted = sum(c.wanted for c in claims)
    assert sum(min(dealt[c.study].target, c.wanted) for c in claims) == min(wanted, sum(cpus))
    for one in claims:
        share = dealt[one.study]
        assert share.target > share.fair - 1
        assert share.target < share.fair + 1 or share.target <= min(one.held, one.target)


@given(claims_of_all_kinds(), nodes_of_all_kinds)
def test_nothing_is_left_that_somebody_wants_and_that_fits(
    claims: list[Claim], nodes: list[dict[str, float]]
) -> None:
    """Wherever the slots that were dealt lie, one that is wanted has no room beside them."""
    dealt = targets(claims, nodes)
    lone = [c for c in claims if c.wanted > dealt[c.study] and not any(
        dealt[o.study] for o in claims if o is not c
    )]  # fmt: skip
    for one in lone:
        assert dealt[one.study] == slots_of(nodes, one.slot)


@given(claims_of_all_kinds(), nodes_of_all_kinds)
def test_shares_sum_to_no_more_than_there_is_and_none_is_above_what_it_wants(
    claims: list[Claim], nodes: list[dict[str, float]]
) -> None:
    fair = fair_shares(claims, nodes)
    for name in ("CPU", "GPU", "memory"):
        used = sum(fair[c.study] * c.slot.get(name, 0.0) for c in claims)
        assert used <= sum(node.get(name, 0.0) for node in nodes) + 1e-3
    assert all(fair[c.study] <= c.wanted + 1e-6 for c in claims)


@given(st.lists(st.tuples(*[st.integers(0, 8)] * 4), min_size=1, max_size=6), st.integers(0, 12))
def test_what_is_granted_fits_beside_what_may_be_held(
    given_: list[tuple[int, int, int, int]], cpus: int
) -> None:
    """Held, allowed, granted and not acknowledged all count, whatever the targets are."""
    standings = [
        Standing(f"s{i}", CPU, held, allowed, max(allowed, promised), target)
        for i, (held, allowed, promised, target) in enumerate(given_)
    ]
    before = sum(max(s.held, s.promised) for s in standings)
    allowed = grant(standings, [{"CPU": float(cpus)}])
    after = sum(max(s.held, s.promised, allowed[s.study]) for s in standings)
    assert after <= max(before, cpus)
    assert all(allowed[s.study] <= max(s.target, 0) for s in standings)


def test_a_minimum_is_granted_whole_or_not_at_all() -> None:
    waits = Standing("a", CPU, 0, 0, 0, 6, enough=6)
    other = Standing("b", CPU, 4, 2, 4, 2)
    assert grant([waits, other], [{"CPU": 8.0}]) == {"a": 0, "b": 2}
    gone = Standing("b", CPU, 2, 2, 2, 2)
    assert grant([waits, gone], [{"CPU": 8.0}]) == {"a": 6, "b": 2}


@pytest.mark.parametrize(
    ("slot", "count"), [({"CPU": 2.0}, 2), ({"GPU": 0.25}, 4), ({"CPU": 1.0, "GPU": 1.0}, 1)]
)
def test_so_many_slots_fit_a_node(slot: dict[str, float], count: int) -> None:
    assert fit({"CPU": 5.0, "GPU": 1.0}, slot) == count
    room = Room([{"CPU": 5.0, "GPU": 1.0}])
    assert room.take(slot, 99) == count
    assert room.take(slot, 1) == 0

"""The broker's state on a virtual clock: drivers come, hold, fall silent and come back."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sharing.beats import beat
from tuner.sharing.dealer import LISTEN_S, SILENT_S, Dealer
from tuner.sharing.messages import Answer, Beat

NODES = [{"CPU": 8.0}]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dealer(clock: Clock) -> Dealer:
    made = Dealer(clock=clock)
    made.look(NODES, {"CPU": 8.0})
    return made


def says(dealer: Dealer, said: Beat) -> Answer:
    dealer.hear(said)
    dealer.turn()
    return dealer.answer(said["boot"])


def test_a_newcomer_waits_until_the_first_has_given_back(dealer: Dealer) -> None:
    first = says(dealer, beat("a"))
    assert (first["allowed"], first["fair"], first["slots"]) == (8, 8.0, 8)
    held = beat("a", 2, held=8, allowed=8, grant=first["grant"], ends_s=20.0)
    dealer.hear(held)
    waits = says(dealer, beat("b"))
    assert (waits["allowed"], waits["fair"], waits["next_s"]) == (0, 4.0, 20.0)
    assert waits["others"] == [{"study": "a", "user": "a", "held": 8, "wanted": 50}]
    less = dealer.answer("a")
    assert less["allowed"] == 4
    says(dealer, beat("a", 3, held=5, allowed=4, grant=less["grant"]))
    assert dealer.answer("b")["allowed"] == 3
    says(dealer, beat("a", 4, held=4, allowed=4, grant=less["grant"]))
    assert dealer.answer("b")["allowed"] == 4


def test_what_was_granted_and_is_not_acknowledged_is_not_given_again(dealer: Dealer) -> None:
    """It holds nothing yet, and may believe at any moment that it can."""
    says(dealer, beat("a"))
    assert says(dealer, beat("b"))["allowed"] == 0
    answer = dealer.answer("a")
    assert answer["allowed"] == 4
    says(dealer, beat("a", 2, allowed=4, grant=answer["grant"]))
    assert dealer.answer("b")["allowed"] == 4


def test_an_older_beat_than_the_last_changes_nothing(dealer: Dealer) -> None:
    says(dealer, beat("a", 5, wanted=2))
    assert says(dealer, beat("a", 4, wanted=50))["allowed"] == 2


def test_the_slots_of_the_silent_are_dealt_again(dealer: Dealer, clock: Clock) -> None:
    says(dealer, beat("a"))
    says(dealer, beat("a", 2, held=8, allowed=8, grant=1))
    clock.now += SILENT_S - 1
    assert says(dealer, beat("b"))["allowed"] == 0
    clock.now += 2
    assert says(dealer, beat("b", 2))["allowed"] == 8


def test_a_driver_that_comes_back_is_heard_again_and_others_keep_what_they_got(
    dealer: Dealer, clock: Clock
) -> None:
    says(dealer, beat("a"))
    stopped = beat("a", 2, held=8, allowed=8, grant=1)
    says(dealer, stopped)
    clock.now += SILENT_S + 1
    got = says(dealer, beat("b"))
    says(dealer, beat("b", 2, held=8, allowed=8, grant=got["grant"]))
    back = says(dealer, {**stopped, "number": 3})
    assert back["allowed"] == 8  # for two seconds nothing changes
    clock.now += LISTEN_S + 0.1
    says(dealer, beat("b", 3, held=8, allowed=8, grant=got["grant"]))
    assert [dealer.answer(name)["allowed"] for name in "ab"] == [4, 4]


def test_a_new_broker_listens_before_it_gives(clock: Clock) -> None:
    """Else the first to speak would get what others hold."""
    new = Dealer(clock=clock)
    new.look(NODES, {"CPU": 0.0})
    assert says(new, beat("a", 7, held=4, allowed=4, grant=3))["allowed"] == 4
    assert says(new, beat("c"))["allowed"] == 0
    clock.now += 1
    assert says(new, beat("b", 7, held=4, allowed=4, grant=5))["allowed"] == 4
    clock.now += LISTEN_S + 0.1
    new.turn()
    assert [new.answer(name)["allowed"] for name in "abc"] == [3, 3, 0]


def test_what_strangers_use_for_a_while_is_not_dealt(dealer: Dealer) -> None:
    for _ in range(2):
        dealer.look(NODES, {"CPU": 5.0})
    assert says(dealer, beat("a"))["allowed"] == 8
    dealer.look(NODES, {"CPU": 5.0})
    dealer.look(NODES, {"CPU": 5.0})
    assert says(dealer, beat("b"))["slots"] == 5


def test_who_looks_sees_each_study(dealer: Dealer, clock: Clock) -> None:
    says(dealer, beat("a", done=3, best="val_loss 0.1"))
    clock.now += 2
    [row] = dealer.rows()
    assert (row["study"], row["done"], row["best"], row["may"]) == ("a", 3, "val_loss 0.1", 8)
    assert row["silent_s"] == 2.0


def test_who_has_left_is_not_called_back_by_a_late_beat(dealer: Dealer) -> None:
    says(dealer, beat("a"))
    dealer.leave("a")
    assert says(dealer, beat("a", 2, held=3))["allowed"] == 0
    assert dealer.rows() == []


def test_an_autoscaler_is_asked_for_all_that_all_studies_want_and_no_longer(
    dealer: Dealer,
) -> None:
    says(dealer, beat("a", wanted=2, held=1, slot={"CPU": 4.0}))
    says(dealer, beat("b", wanted=1))
    says(dealer, beat("idle", wanted=0))
    assert dealer.demand(9) == [{"CPU": 4.0}, {"CPU": 1.0}, {"CPU": 4.0}]
    dealer.leave("a")
    assert dealer.demand(9) == [{"CPU": 1.0}]
    dealer.leave("b")
    assert dealer.demand(9) == []


def test_what_is_asked_for_has_a_limit_and_each_study_has_its_part_of_it(dealer: Dealer) -> None:
    says(dealer, beat("a", wanted=1000))
    says(dealer, beat("b", wanted=1000, slot={"GPU": 1.0}))
    assert dealer.demand(4) == [{"CPU": 1.0}, {"GPU": 1.0}] * 2


# ------------------------------------------------------------- any order of messages


@dataclass
class Driver:
    """Holds what it has been told that it may, or less; its messages take their time."""

    name: str
    wanted: int
    held: int = 0
    allowed: int = 0
    grant: int = 0
    number: int = 0
    answers: list[Answer] = field(default_factory=list)

    def says(self) -> Beat:
        self.number += 1
        now: dict[str, Any] = {"held": self.held, "allowed": self.allowed, "grant": self.grant}
        return beat(self.name, self.number, wanted=self.wanted, **now)


@settings(max_examples=15)
@given(st.integers(0, 10**9), st.integers(2, 5), st.integers(1, 12))
def test_no_more_is_ever_held_than_there_is(seed: int, drivers: int, cpus: int) -> None:
    """Whatever messages are lost or late, and however slow workers are to end."""
    rng, clock = random.Random(seed), Clock()
    dealer = Dealer(clock=clock)
    dealer.look([{"CPU": float(cpus)}], {"CPU": float(cpus)})
    fleet = [Driver(f"d{i}", rng.randint(0, 12)) for i in range(drivers)]
    for _ in range(120):
        clock.now += rng.random()
        driver = rng.choice(fleet)
        if rng.random() < 0.2:
            driver.wanted = rng.randint(0, 12)
        if driver.answers and rng.random() < 0.7:  # it hears what was said some time ago
            answer = driver.answers.pop(0)
            driver.allowed, driver.grant = answer["allowed"], answer["grant"]
        if driver.held < min(driver.allowed, driver.wanted):
            driver.held += rng.randint(0, min(driver.allowed, driver.wanted) - driver.held)
        elif driver.held > driver.allowed:
            driver.held -= rng.randint(0, driver.held - driver.allowed)
        for one in fleet:  # nobody falls silent
            dealer.hear(one.says())
        dealer.turn()
        if rng.random() < 0.8:
            driver.answers.append(dealer.answer(driver.name))
        assert sum(one.held for one in fleet) <= cpus
    for _ in range(60):  # all is quiet: soon each has its share
        clock.now += 0.5
        for one in fleet:
            dealer.hear(one.says())
            dealer.turn()
            answer = dealer.answer(one.name)
            one.allowed, one.grant = answer["allowed"], answer["grant"]
            one.held = min(one.allowed, max(one.wanted, one.held))
    wanted = sum(one.wanted for one in fleet)
    assert sum(min(one.held, one.wanted) for one in fleet) in (
        min(wanted, cpus),
        min(wanted, cpus) - 1,  # the rest is on its way from one to the next
    )

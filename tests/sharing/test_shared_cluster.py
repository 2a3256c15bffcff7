"""Leases on a real local cluster: slots come and go, a broker dies, many drivers come at once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray
from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.experimental import internal_kv

from tests.sharing.local_ray import local_ray, until
from tuner.sharing.broker import find_broker, other_protocols
from tuner.sharing.lease import Lease, Wish
from tuner.sharing.messages import PROTOCOL

CPUS = 4


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    yield from local_ray(CPUS)


@pytest.fixture
def lease() -> Iterator[Callable[..., Lease]]:
    made: list[Lease] = []

    def make(study: str, wanted: int = 50, **more: Any) -> Lease:
        said: list[str] = []
        one = Lease(
            Wish(study, "ann", {"CPU": 1.0}, alone=CPUS, **more), wanted=wanted, say=said.append
        )
        one.said_lines = said  # type: ignore[attr-defined]
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.close()


def test_slots_come_go_and_come_back(lease: Callable[..., Lease]) -> None:
    first = lease("a")
    until(lambda: first.allowed == CPUS)
    first.tell(CPUS, 50, 7.0)
    second = lease("b")
    until(lambda: first.allowed == 2)
    assert second.allowed == 0
    until(lambda: second.answer is not None and second.answer["next_s"] is not None)
    first.tell(2, 50)
    until(lambda: second.allowed == 2)
    second.tell(2, 50)
    until(lambda: first.said() == "holds 2 of 4 slots, its fair share is 2.0; ann's b holds 2")
    second.close()
    until(lambda: first.allowed == CPUS)


def asked_of_the_autoscaler() -> Any:
    """What Ray has recorded: an autoscaler would read it here."""
    said = internal_kv._internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL)
    return json.loads(said) if said else []


def test_an_autoscaler_is_asked_for_the_sum_of_what_all_studies_want(
    lease: Callable[..., Lease],
) -> None:
    first, second = lease("a", 3), lease("b", 50, most=2)
    until(lambda: asked_of_the_autoscaler() == [{"CPU": 1.0}] * 5)
    first.close()
    until(lambda: asked_of_the_autoscaler() == [{"CPU": 1.0}] * 2)
    second.close()
    until(lambda: asked_of_the_autoscaler() == [])


def test_a_minimum_waits_for_all_of_it_and_most_is_never_exceeded(
    lease: Callable[..., Lease],
) -> None:
    few = lease("few", most=2)
    until(lambda: few.allowed == 2)
    few.tell(2, 50)
    all_or_nothing = lease("many", least=3)
    until(lambda: all_or_nothing.answer is not None and bool(all_or_nothing.answer["others"]))
    assert all_or_nothing.allowed == 0
    few.close()
    until(lambda: all_or_nothing.allowed == CPUS)


def test_a_broker_that_is_killed_comes_back_and_nobody_loses_a_slot(
    lease: Callable[..., Lease],
) -> None:
    first, second = lease("a"), lease("b")
    until(lambda: first.allowed == second.allowed == 2)
    first.tell(2, 50)
    second.tell(2, 50)
    until(lambda: first.answer is not None and first.answer["others"][0]["held"] == 2)
    before: Any = ray.get(find_broker().pid.remote())
    os.kill(before, signal.SIGKILL)
    until(lambda: "broker answers again" in str(first.said_lines))  # type: ignore[attr-defined]
    assert (first.allowed, second.allowed) == (2, 2)
    until(lambda: len(ray.get(find_broker().studies.remote())) == 2)
    assert ray.get(find_broker().pid.remote()) != before


def test_a_broker_that_was_ended_for_good_is_made_anew(lease: Callable[..., Lease]) -> None:
    one = lease("a")
    until(lambda: one.allowed == CPUS)
    ray.kill(find_broker(), no_restart=True)
    until(lambda: "answers again" in str(one.said_lines))  # type: ignore[attr-defined]


def test_without_a_broker_a_study_goes_on_with_all_and_says_so() -> None:
    def nobody() -> Any:
        raise ValueError("no such actor")

    said: list[str] = []
    one = Lease(Wish("a", "ann", {"CPU": 1.0}, alone=3), wanted=9, say=said.append, find=nobody)
    one.start()
    until(lambda: one.allowed == 3)
    one.close()
    assert said == ["no broker on this cluster (ValueError): taking 3 slots, unshared"]


def test_twenty_drivers_that_come_at_once_find_one_broker(lease: Callable[..., Lease]) -> None:
    many = [lease(f"s{i}") for i in range(20)]
    until(lambda: all(one.answer is not None for one in many))
    until(lambda: sum(one.allowed for one in many) == CPUS)
    assert len(ray.get(find_broker().studies.remote())) == 20


def test_a_broker_of_another_protocol_beside_ours_is_said(lease: Callable[..., Lease]) -> None:
    class Older:
        pass

    name = f"tuner-broker-{PROTOCOL + 1}"
    older: Any = ray.remote(Older)
    other = older.options(name=name, namespace="tuner", num_cpus=0).remote()
    until(lambda: other_protocols() == [str(PROTOCOL + 1)])
    one = lease("a")
    until(lambda: one.allowed == CPUS)
    assert "by protocol 2, ours is 1" in str(one.said_lines)  # type: ignore[attr-defined]
    ray.kill(other)

"""What is said of a cluster that is shared."""

from __future__ import annotations

from typing import Any, cast

from tuner.sharing.messages import Answer, Other
from tuner.sharing.words import holding, waiting


def answer(**more: Any) -> Answer:
    given: Any = {"allowed": 0, "grant": 0, "fair": 4.0, "slots": 8, "next_s": 20.4, "others": []}
    return cast("Answer", {**given, **more})


def other(study: str, held: int) -> Other:
    return Other(study=study, user="bob", held=held, wanted=9)


def test_a_study_that_waits_says_for_whom_and_for_how_long() -> None:
    said = waiting(answer(others=[other("mnist", 8)]))
    assert said == (
        "waiting for a slot: 2 studies share 8 slots, next free in about 20 s; bob's mnist holds 8"
    )
    assert "share 8 slots; bob" in waiting(answer(others=[other("mnist", 8)], next_s=None))
    assert waiting(answer(), least=4) == "waiting for 4 slots: the cluster has 8 slots, all in use"
    assert waiting(None) == "waiting for the cluster's broker"


def test_of_many_others_those_that_hold_most_are_named() -> None:
    said = holding(answer(others=[other(f"s{i}", i) for i in range(5)]), 2)
    assert said == (
        "holds 2 of 8 slots, its fair share is 4.0; bob's s4 holds 4, bob's s3 holds 3, "
        "bob's s2 holds 2, and 2 more"
    )


def test_a_study_alone_has_nothing_to_say() -> None:
    assert holding(answer(), 8) == ""

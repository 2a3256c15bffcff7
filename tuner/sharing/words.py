"""What is said to a user of how a cluster is shared."""

from __future__ import annotations

from tuner.sharing.messages import Answer

SHOWN = 3
"""How many other studies are named."""


def waiting(answer: Answer | None, least: int = 1) -> str:
    """Why a study does not run yet."""
    if answer is None:
        return "waiting for the cluster's broker"
    needed = "a slot" if least == 1 else f"{least} slots"
    count = len(answer["others"]) + 1
    if count == 1:
        return f"waiting for {needed}: the cluster has {_slots(answer['slots'])}, all in use"
    when = answer["next_s"]
    soon = "" if when is None else f", next free in about {when:.0f} s"
    shared = f"{count} studies share {_slots(answer['slots'])}{soon}"
    return f"waiting for {needed}: {shared}; {_who(answer)}"


def holding(answer: Answer, held: int) -> str:
    """How a study that runs stands; empty where it has the cluster for itself."""
    if not answer["others"]:
        return ""
    holds = f"holds {held} of {_slots(answer['slots'])}, its fair share is {answer['fair']:.1f}"
    return f"{holds}; {_who(answer)}"


def names_of(answer: Answer | None) -> set[tuple[str, str]]:
    """The other studies, by user and name."""
    return set() if answer is None else {(o["user"], o["study"]) for o in answer["others"]}


def _who(answer: Answer) -> str:
    others = sorted(answer["others"], key=lambda one: -one["held"])
    named = [f"{one['user']}'s {one['study']} holds {one['held']}" for one in others[:SHOWN]]
    more = len(others) - SHOWN
    return ", ".join(named) + (f", and {more} more" if more > 0 else "")


def _slots(count: int) -> str:
    return "1 slot" if count == 1 else f"{count} slots"

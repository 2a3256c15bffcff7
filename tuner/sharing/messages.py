"""What a driver and the broker say to each other: plain dicts, which any version can read."""

from __future__ import annotations

from typing import TypedDict

PROTOCOL = 1
"""Stands in the broker's name. Brokers of two protocols know nothing of each other's studies: to
each, the other's slots are used by others."""


class Beat(TypedDict):
    """All that there is to know of a study, said at least each second by its driver.

    `boot` names the driver, `number` counts its beats. `held` is how many slots its workers take or
    wait for, `allowed` how many it has been told that it may hold, by the answer `grant`; `wanted`
    how many it could use. `ends_s` is in how many seconds one of its cells ends, as far as it
    knows. `done`, `total` and `best` are for those who look: trials, and a value in words.
    """

    boot: str
    number: int
    study: str
    user: str
    host: str
    pid: int
    version: str
    address: str
    results: str
    since: float
    weight: float
    least: int
    slot: dict[str, float]
    held: int
    allowed: int
    grant: int
    wanted: int
    ends_s: float | None
    done: int
    total: int
    best: str


class Answer(TypedDict):
    """What a study may hold, and what there is to say of the others.

    `grant` numbers what was allowed. `slots` is how many of this study's slots the cluster has,
    `next_s` in how many seconds one may come free for it. `others` are those that want slots too.
    """

    allowed: int
    grant: int
    fair: float
    slots: int
    next_s: float | None
    others: list[Other]


class Other(TypedDict):
    """Another study on the cluster."""

    study: str
    user: str
    held: int
    wanted: int


class Row(Beat):
    """A study as the broker has it; `silent_s` is how long ago its driver spoke last."""

    fair: float
    may: int
    silent_s: float

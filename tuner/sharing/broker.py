"""The broker of a cluster: a detached actor beside Ray's head, which deals slots to studies."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources

from tuner.sharing.dealer import LISTEN_S, Dealer
from tuner.sharing.messages import PROTOCOL, Answer, Beat, Row

NAMESPACE = "tuner"
PREFIX = "tuner-broker-"
NAME = f"{PREFIX}{PROTOCOL}"
HEAD = {"node:__internal_head__": 0.001}
"""A resource of Ray's head alone: the broker lives as long as the cluster does."""
TURN_S = 0.2
"""How often slots are dealt: many beats in one deal, and a newcomer waits no longer for its own."""
LOOK_S = 1.0
"""How often the cluster's nodes are looked at."""
MOST_ASKED = 1000
"""Slots that an autoscaler is asked for at most, of all studies together; its own limit, as
`max_workers` of `cluster.yaml`, is another."""
COUNTED = ("CPU", "GPU", "memory")


class Broker:
    """Hears beats and answers what may be held. What it knows is lost with it and said again."""

    def __init__(self) -> None:
        again = ray.get_runtime_context().was_current_actor_reconstructed
        self._dealer = Dealer(listen_s=LISTEN_S if again else 0.0)
        self._changed: dict[str, asyncio.Event] = {}
        self._looked = False
        self._turns: asyncio.Task[None] | None = None
        self._asked: list[dict[str, float]] = []
        if again:  # what was asked for before stays asked for, whoever is still there
            request_resources(bundles=[])

    async def beat(self, said: Beat, wait_s: float = 0.0) -> Answer:
        """Hear a driver; answer at once where it may hold another number, else after `wait_s`."""
        self._begin()
        boot = said["boot"]
        self._dealer.hear(said)
        answer = self._dealer.answer(boot)
        if wait_s and answer["grant"] == said["grant"]:
            changed = self._changed.setdefault(boot, asyncio.Event())
            changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), wait_s)
            self._dealer.hear(said)  # it waited here: it was not silent
            answer = self._dealer.answer(boot)
        return answer

    async def leave(self, boot: str) -> None:
        """A driver has ended: its slots are dealt again."""
        self._dealer.leave(boot)
        self._changed.pop(boot, None)

    async def studies(self) -> list[Row]:
        """Every study, for those who look."""
        self._begin()
        return self._dealer.rows()

    async def pid(self) -> int:
        """The process of this broker."""
        return os.getpid()

    def _begin(self) -> None:
        if not self._looked:
            self._look()
        if self._turns is None or self._turns.done():
            self._turns = asyncio.get_running_loop().create_task(self._turn_on())

    async def _turn_on(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(TURN_S)
            count += 1
            if count % int(LOOK_S / TURN_S) == 0:
                self._look()
            for boot in self._dealer.turn():
                if boot in self._changed:
                    self._changed[boot].set()

    def _look(self) -> None:
        nodes = [
            {name: node["Resources"].get(name, 0.0) for name in COUNTED}
            for node in ray.nodes()
            if node["Alive"]
        ]
        self._dealer.look(nodes, ray.available_resources())
        self._looked = True
        asked = self._dealer.demand(MOST_ASKED)
        if asked != self._asked:
            request_resources(bundles=asked)
            self._asked = asked


def find_broker() -> Any:
    """The cluster's broker, made where there is none."""
    return (
        ray.remote(Broker)
        .options(
            name=NAME,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            resources=HEAD,
            max_restarts=-1,
            max_task_retries=0,
        )
        .remote()
    )


def running_broker() -> Any | None:
    """The cluster's broker; None where no study has made one."""
    try:
        return ray.get_actor(NAME, namespace=NAMESPACE)
    except ValueError:
        return None


def other_protocols() -> list[str]:
    """The protocols of brokers beside ours: studies of another tuner deal slots there too."""
    named = ray.util.list_named_actors(all_namespaces=True)
    names = [one["name"] for one in named if one["namespace"] == NAMESPACE]
    return sorted(n.removeprefix(PREFIX) for n in names if n.startswith(PREFIX) and n != NAME)

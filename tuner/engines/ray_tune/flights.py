"""The cells that the Ray Tune engine has in the air, and what it owes them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import ray

from tuner.cluster import ray_internals
from tuner.engines.ask_ahead import ASK_WAIT_S, Proposals
from tuner.engines.contract import Study
from tuner.engines.duties import KILL_S, Deadlines, Places, say_not_forked
from tuner.engines.ray_tune import tune_internals
from tuner.engines.ray_tune.homes import Homes
from tuner.engines.ray_tune.worker import Said
from tuner.trial.cells import Cell, CellKey, Ending, Outcome

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

T = TypeVar("T")

SLOT_S = 1.0
"""How long to wait for a slot of a shared cluster, before the study is looked at again."""


@dataclass
class Flight:
    """A cell in the air. `tune_trial` is known once Tune has made it, `worker` once it has one.

    `home` is the worker that has its training parked, for a cell that goes on.
    """

    cell: Cell
    home: str | None = None
    started: float = field(default_factory=time.monotonic)
    tune_trial: Any = None
    worker: str = ""
    death: str = "the worker died, or never started"
    timed_out: float | None = None
    paused: bool = False


class Flights:
    """The cells in flight, by Tune's trial id, and the study's first error."""

    def __init__(
        self,
        study: Study,
        proposals: Proposals,
        concurrency: int,
        cluster: Runtime | None = None,
    ) -> None:
        """With a `cluster` the workers follow its nodes as they come and go, and this study's share
        of them."""
        self.study = study
        self.places = None if cluster is None else Places(cluster)
        self.deadlines = Deadlines(study.experiment.trial_timeout)
        self.homes = Homes()
        self.paused: dict[CellKey, Cell] = {}
        self.proposals = proposals
        self.concurrency = self.employed = concurrency
        self.most: int | None = None
        self.returned: list[Cell] = []
        self.dry = False
        self.open: dict[str, Flight] = {}
        self.error: Exception | None = None
        self.over = False
        self.warm: set[str] = set()
        self.full: set[str] = set()
        self.controller: Any = None
        self.any_trial: Any = None

    def next(self) -> Flight | None:
        """A cell to fly. One that is parked waits for its worker, and others go before it."""
        busy = {flight.worker or flight.home for flight in self.open.values()}
        cell = self.homes.released(busy)
        if cell is None and self.returned:
            cell = self.returned.pop(0)
        # With nothing in flight there is nothing to hold up, and Tune would sleep for a second.
        wait_s = ASK_WAIT_S if self.open else None
        while cell is None and (asked := self.proposals.take(wait_s)) is not None:
            cell = self.homes.unless_busy(asked, busy)
        self.dry = cell is None and not self.proposals.thinking
        if cell is None:
            return None
        self.paused.pop(cell.key, None)
        return Flight(cell, self.homes.leave(cell))

    def reluctance(self, tune_id: str, worker: str) -> int:
        """How little a trial suits an idle worker: best is its home, worst is another's; a new one
        goes where the fewest are parked, since it may take them along when it ends its worker."""
        if self.open[tune_id].home == worker:
            return 0
        claimed = any(flight.home == worker and not flight.worker for flight in self.open.values())
        return 1 + self.homes.count(worker) + (self.homes.total if claimed else 0)

    def attempt(self, call: Callable[..., T], *args: Any) -> T | None:
        """Call the study; keep its error to be raised after Tune, which would swallow it."""
        try:
            return call(*args)
        except Exception as error:  # noqa: BLE001  # raised again after Tune
            self.error = self.error or error
            return None

    def set_aside(self, flight: Flight) -> None:
        """A cell is paused. The study may ask for it again before its Tune trial has ended: its
        home is known from now on, and busy until then."""
        flight.paused = True
        self.homes.park(flight.cell, self.worker_of(flight))

    def end(self, tune_id: str, said: Outcome | Said | None, *, renewed: bool = False) -> None:
        """Tell the end of a cell, once, unless it is set aside. Without `said` its worker died; one
        that has `renewed` its trainer lives, and has nothing parked any more."""
        flight = self.open.pop(tune_id, None)
        if flight is None or self.over:
            return
        worker = self.worker_of(flight)
        if said is None or renewed:
            self.homes.lose(worker)
        if isinstance(said, Outcome) and said.ending is Ending.DIED:
            self.warm.discard(worker)  # it has no trainer yet
        elif said is not None:
            self.warm.add(worker)
        if flight.paused:
            self.deadlines.pause(flight.cell)
            self.paused[flight.cell.key] = flight.cell
            return
        duration_s = self.deadlines.seconds(flight.cell)
        self.deadlines.end(flight.cell)
        if self.places is not None and duration_s:
            self.places.took(duration_s)
        if not isinstance(said, Outcome):
            said = Outcome(Ending.DIED, flight.death)
        if said.ending is Ending.DIED:
            said = replace(said, duration_s=duration_s)
            if flight.timed_out is not None:
                said = replace(said, ending=Ending.TIMED_OUT, error=self.deadlines.why)
        limit = self.study.experiment.memory_per_trial
        # Tune is not to use this worker again.
        if limit is not None and said.peak_rss_mb > limit and not renewed:
            self.full.add(tune_id)
            self.homes.lose(worker)
        self.attempt(self.study.tell, flight.cell, said)

    def warmed(self, flight: Flight, here: str) -> None:
        """A new worker has imported what it needs, and trains its first cell from now on: by
        itself, if `here` says why."""
        say_not_forked(here)
        self.warm.add(self.worker_of(flight))
        self.deadlines.warmed(flight.cell)

    def worker_of(self, flight: Flight) -> str:
        """The id of the actor that runs a cell; empty while it has none."""
        actor = flight.tune_trial and tune_internals.actor_of(flight.tune_trial)
        if actor is not None:
            flight.worker = ray_internals.id_of(actor)
        return flight.worker

    def use_fewer(self) -> None:
        """A worker was killed for memory: fewer at a time need less."""
        self.most = self.concurrency = max(1, self.concurrency - 1)

    def follow(self) -> None:
        """Use the places that came, and no more than there are."""
        if self.places is not None and self.places.shared:
            self.follow_share()
        elif self.any_trial is not None:
            self.follow_nodes(self.any_trial)

    def follow_share(self) -> None:
        """Give back what is above this study's share and does not train: workers that still start,
        whose cells wait for another, and idle ones. What trains ends first."""
        assert self.places is not None
        allowed = self.places.look() or 0
        self.concurrency = allowed if self.most is None else min(allowed, self.most)
        if self.controller is None:
            self.places.tell(0, self.wanted)
            return
        more = max(0, self.concurrency - self.employed)
        self.employed += more
        tune_internals.employ(self.controller, self.any_trial, max(1, self.concurrency), more)
        surplus = tune_internals.workers_of(self.controller) - allowed
        for tune_id, flight in list(self.open.items())[::-1] if surplus > 0 else ():
            if surplus > 0 and flight.tune_trial is not None:
                surplus -= self._recall(tune_id, flight)
        if surplus > 0:
            ended = tune_internals.end_idle(
                self.controller, self.any_trial, surplus, self.homes.count
            )
            for worker in ended:
                self.homes.lose(worker)
        seconds = [self.deadlines.seconds(flight.cell) for flight in self.open.values()]
        self.places.tell(tune_internals.workers_of(self.controller), self.wanted, seconds)

    def _recall(self, tune_id: str, flight: Flight) -> bool:
        """Take a cell back whose worker still starts; whether it was so."""
        if not tune_internals.recall(self.controller, flight.tune_trial):
            return False
        del self.open[tune_id]
        cell = flight.cell
        self.returned.append(cell)
        if cell.start:
            self.paused[cell.key] = cell
            if flight.home is not None:
                self.homes.park(cell, flight.home)
        return True

    @property
    def wanted(self) -> int:
        """How many workers could be used: with none at all the study is not even asked."""
        flying = len(self.open) + len(self.returned)
        left = 0 if self.places is None or self.dry else self.places.left
        return max(1, flying, left)

    def wait_for_a_slot(self) -> None:
        """With nothing in flight and no slot: Tune would sleep, and give nothing back meanwhile."""
        if self.places is None or not self.places.shared or self.open:
            return
        self.follow_share()
        while not self.places.wait(SLOT_S) and not (self.error or self.study.finished):
            self.follow_share()
        self.follow_share()

    def follow_nodes(self, tune_trial: Any) -> None:
        """Use the nodes that joined, and ask for no more than those that are left can run."""
        places = None if self.places is None else self.places.look()
        if places is None:
            return
        before, self.concurrency = self.concurrency, max(1, places)
        if self.concurrency > before:
            more = self.concurrency - before
            tune_internals.employ(self.controller, tune_trial, self.concurrency, more)

    def end_late(self, flight: Flight) -> None:
        """End the worker of a cell that runs longer than the experiment allows."""
        worker = self.worker_of(flight)
        if not worker:
            return
        actor = tune_internals.actor_of(flight.tune_trial)
        if actor is None:  # Tune is done with it
            return
        now = time.monotonic()
        if flight.timed_out is not None:
            if now - flight.timed_out > KILL_S:  # it trains by itself
                ray.kill(actor)
            return
        self.deadlines.begin(flight.cell, warm=worker in self.warm)
        if self.deadlines.is_late(flight.cell):
            flight.timed_out = now
            actor.end_trainer.remote(flight.cell.key)

    def kill(self) -> None:
        """End every worker that has a cell, and tell nothing any more."""
        self.over = True
        if self.controller is not None and ray_internals.died():
            tune_internals.leave(self.controller)
        for flight in self.open.values():
            actor = flight.tune_trial and tune_internals.actor_of(flight.tune_trial)
            if actor is not None:
                ray.kill(actor)

    def free(self) -> None:
        """Give back the places of the workers, which Tune keeps when it is interrupted."""
        if self.controller is not None:
            with contextlib.suppress(Exception):  # what interrupted it says more
                self.controller.cleanup()

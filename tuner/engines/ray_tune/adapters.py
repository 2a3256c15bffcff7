"""Ray Tune's three plugs, each a thin adapter to the study: searcher, scheduler, callback."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import ray
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.cluster import ray_internals
from tuner.engines.ask_ahead import ASK_WAIT_S, Proposals
from tuner.engines.contract import Study
from tuner.engines.duties import Deadlines, Places
from tuner.engines.ray_tune.homes import Homes
from tuner.engines.ray_tune.worker import CELL, KEY, SetAside
from tuner.engines.worker_death import KILLED_FOR_MEMORY, cause_of_death
from tuner.trial.cells import Cell, CellKey, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

START_S = 30.0
"""How long a cell waits for a worker that starts, before it takes one that stands idle."""
PENDING = "PENDING"
KEPT_TRIALS = 1000
"""How many ended trials Tune may remember."""

_FINISHED = cast("dict[str, Any]", Searcher.FINISHED)  # a string, whatever `suggest` declares

T = TypeVar("T")


class Landed(Exception):
    """Ends Tune's loop by its way for errors: it frees the workers, and spares us a snapshot and
    an analysis of every trial."""


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
    timed_out: bool = False
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
        """With a `cluster` the workers follow its nodes as they come and go."""
        self.study = study
        self.places = None if cluster is None else Places(cluster)
        self.deadlines = Deadlines(study.experiment.trial_timeout)
        self.homes = Homes()
        self.paused: dict[CellKey, Cell] = {}
        self.proposals = proposals
        self.concurrency = concurrency
        self.open: dict[str, Flight] = {}
        self.error: Exception | None = None
        self.over = False
        self.warm: set[str] = set()
        self.full: set[str] = set()
        self.controller: Any = None

    def next(self) -> Flight | None:
        """A cell to fly. One that is parked waits for its worker, and others go before it."""
        busy = {flight.home or flight.worker for flight in self.open.values()}
        cell = self.homes.released(busy)
        # With nothing in flight there is nothing to hold up, and Tune would sleep for a second.
        wait_s = ASK_WAIT_S if self.open else None
        while cell is None and (asked := self.proposals.take(wait_s)) is not None:
            cell = self.homes.unless_busy(asked, busy)
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

    def end(self, tune_id: str, said: Outcome | SetAside | None) -> None:
        """Tell the end of a cell, once, unless it is set aside; without `said` its worker died."""
        flight = self.open.pop(tune_id, None)
        if flight is None or self.over:
            return
        worker = self.worker_of(flight)
        if said is None:
            self.homes.lose(worker)
        else:
            self.warm.add(worker)
        if flight.paused:
            self.deadlines.pause(flight.cell)
            self.paused[flight.cell.key] = flight.cell
            if said is not None:
                self.homes.park(flight.cell, worker)
            return
        self.deadlines.end(flight.cell)
        if not isinstance(said, Outcome):
            duration_s = time.monotonic() - flight.started
            ending = Ending.TIMED_OUT if flight.timed_out else Ending.DIED
            said = Outcome(ending, flight.death, duration_s)
        limit = self.study.experiment.memory_per_trial
        if limit is not None and said.peak_rss_mb > limit:  # Tune is not to use this worker again
            self.full.add(tune_id)
            self.homes.lose(worker)
        self.attempt(self.study.tell, flight.cell, said)

    def worker_of(self, flight: Flight) -> str:
        """The id of the actor that runs a cell; empty while it has none."""
        actor = flight.tune_trial and ray_internals.actor_of(flight.tune_trial)
        if actor is not None:
            flight.worker = ray_internals.id_of(actor)
        return flight.worker

    def follow_nodes(self, tune_trial: Any) -> None:
        """Use the nodes that joined, and ask for no more than those that are left can run."""
        places = None if self.places is None else self.places.look()
        if places is None:
            return
        before, self.concurrency = self.concurrency, max(1, places)
        if self.concurrency > before:
            more = self.concurrency - before
            ray_internals.employ(self.controller, tune_trial, self.concurrency, more)

    def end_late(self, flight: Flight) -> None:
        """End the worker of a cell that runs longer than the experiment allows."""
        worker = self.worker_of(flight)
        if not worker or flight.timed_out:
            return
        self.deadlines.begin(flight.cell, warm=worker in self.warm)
        if self.deadlines.is_late(flight.cell):
            flight.timed_out = True
            flight.death = self.deadlines.why
            ray.kill(ray_internals.actor_of(flight.tune_trial))

    def kill(self) -> None:
        """End every worker that has a cell, and tell nothing any more."""
        self.over = True
        for flight in self.open.values():
            actor = flight.tune_trial and ray_internals.actor_of(flight.tune_trial)
            if actor is not None:
                ray.kill(actor)

    def free(self) -> None:
        """Give back the places of the workers, which Tune keeps when it is interrupted."""
        if self.controller is not None:
            with contextlib.suppress(Exception):  # what interrupted it says more
                self.controller.cleanup()


class AskTell(Searcher):
    """Tune's search algorithm: the study."""

    def __init__(self, flights: Flights) -> None:
        super().__init__()
        self._flights = flights

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        flights = self._flights
        if flights.over or flights.error is not None:
            return _FINISHED
        if len(flights.open) >= flights.concurrency:
            return None
        flight = flights.attempt(flights.next)
        if flight is None:
            idle = not flights.open and (flights.error or flights.study.finished)
            return _FINISHED if idle else None
        flights.open[trial_id] = flight
        return {CELL: flight.cell}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._flights.end(trial_id, None if error or result is None else result[KEY])

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""


class Reports(TrialScheduler):
    """Tune's scheduler: takes reports to the study, never says STOP."""

    _supports_buffered_results = False

    def __init__(self, flights: Flights) -> None:
        super().__init__()
        self._flights = flights

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        if self._flights.controller is None:
            workers = self._flights.concurrency
            self._flights.controller = ray_internals.prepare(
                controller, trial, workers, self._flights.full, self._flights.reluctance
            )
        self._flights.open[trial.trial_id].tune_trial = trial

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        flight = self._flights.open[trial.trial_id]
        decision = self._flights.attempt(self._flights.study.report, flight.cell, *result[KEY])
        if decision is Decision.STOP:
            ray_internals.actor_of(trial).stop_cell.remote()
        elif decision is Decision.PAUSE:
            flight.paused = True
            ray_internals.actor_of(trial).pause_cell.remote()
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        flight = self._flights.open.get(trial.trial_id)
        if flight is not None and not flight.timed_out:
            flight.death = cause_of_death(Path(trial.error_file).read_text())
            if flight.death.startswith(KILLED_FOR_MEMORY):  # fewer at a time need less
                self._flights.concurrency = max(1, self._flights.concurrency - 1)

    def choose_trial_to_run(self, controller: Any) -> None:
        """None: Tune starts pending trials in order by itself, without a look at all of them."""
        for flight in self._flights.open.values():
            trial = flight.tune_trial
            if trial is not None and trial.status == PENDING:
                young = time.monotonic() - flight.started < START_S
                ray_internals.let_start(self._flights.controller, trial, undisturbed=young)

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Nothing: the searcher hears of it."""

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        """Nothing: the searcher hears of it."""

    def debug_string(self) -> str:
        return ""


class Sweep(TrialProgressCallback):
    """After every step of Tune's: finds cells that ended unnoticed, and ends a run that is over.

    It stands in for Tune's own progress callback, which keeps every trial and, in a notebook,
    prints each result.
    """

    def __init__(self, flights: Flights) -> None:
        super().__init__()
        self._flights = flights

    def log_result(self, trial: Any, result: dict[str, Any], error: bool = False) -> None:
        """Nothing: the study knows."""

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Nothing: the searcher hears of it."""

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Nothing: Tune's own looks for a result at the worker that died."""

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        flights = self._flights
        for tune_id, flight in list(flights.open.items()):
            # As after a failed start or reset of an actor, of which Tune tells nobody.
            if flight.tune_trial is not None and flight.tune_trial.is_finished():
                flights.end(tune_id, None)
            else:
                flights.end_late(flight)
        if trials:
            flights.follow_nodes(trials[-1])
        if len(trials) > KEPT_TRIALS + len(flights.open):
            ray_internals.forget_ended(flights.controller)
        if flights.error is not None or flights.study.finished:
            flights.kill()
            raise Landed

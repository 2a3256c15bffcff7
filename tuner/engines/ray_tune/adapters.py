"""Ray Tune's three plugs, each a thin adapter to the study: searcher, scheduler, callback."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import ray
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.cluster import ray_internals
from tuner.engines.ask_ahead import Proposals
from tuner.engines.contract import NODES_S, WARM_UP_S, Study
from tuner.engines.ray_tune.worker import CELL, KEY
from tuner.engines.worker_death import KILLED_FOR_MEMORY, cause_of_death
from tuner.trial.cells import Cell, Decision, Ending, Outcome

ASK_WAIT_S = 0.05
"""How long a slow ask may hold up the reports of other workers, at a time."""
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
    """A cell in the air. `tune_trial` is known once Tune has made it, `outcome` once it ended."""

    cell: Cell
    started: float = field(default_factory=time.monotonic)
    tune_trial: Any = None
    stopping: bool = False
    death: str = "the worker died, or never started"
    began: float | None = None
    timed_out: bool = False


class Flights:
    """The cells in flight, by Tune's trial id, and the study's first error."""

    def __init__(
        self,
        study: Study,
        proposals: Proposals,
        concurrency: int,
        slots: Callable[[], int] | None = None,
    ) -> None:
        """`slots` says how many cells a cluster has place for now, as nodes come and go."""
        self.study = study
        self.slots = slots
        self.looked = time.monotonic()
        self.proposals = proposals
        self.concurrency = concurrency
        self.open: dict[str, Flight] = {}
        self.error: Exception | None = None
        self.over = False
        self.warm: set[str] = set()
        self.full: set[str] = set()
        self.controller: Any = None

    def attempt(self, call: Callable[..., T], *args: Any) -> T | None:
        """Call the study; keep its error to be raised after Tune, which would swallow it."""
        try:
            return call(*args)
        except Exception as error:  # noqa: BLE001  # raised again after Tune
            self.error = self.error or error
            return None

    def end(self, tune_id: str, outcome: Outcome | None) -> None:
        """Tell the end of a cell, once; without an outcome its worker died."""
        flight = self.open.pop(tune_id, None)
        if flight is None or self.over:
            return
        if outcome is None:
            duration_s = time.monotonic() - flight.started
            ending = Ending.TIMED_OUT if flight.timed_out else Ending.DIED
            outcome = Outcome(ending, flight.death, duration_s)
        else:
            self.warm.add(_worker_id(flight))
            limit = self.study.experiment.memory_per_trial
            if limit is not None and outcome.peak_rss_mb > limit:
                self.full.add(tune_id)
        self.attempt(self.study.tell, flight.cell, outcome)

    def follow_nodes(self, tune_trial: Any) -> None:
        """Use the nodes that joined, and ask for no more than those that are left can run."""
        if self.slots is None or time.monotonic() - self.looked < NODES_S:
            return
        self.looked = time.monotonic()
        before, self.concurrency = self.concurrency, max(1, self.slots())
        if self.concurrency > before:
            more = self.concurrency - before
            ray_internals.employ(self.controller, tune_trial, self.concurrency, more)

    def end_late(self, flight: Flight) -> None:
        """End the worker of a cell that runs longer than the experiment allows."""
        limit_s = self.study.experiment.trial_timeout
        worker = _worker_id(flight)
        if limit_s is None or not worker or flight.timed_out:
            return
        now = time.monotonic()
        flight.began = flight.began or now
        if now - flight.began > limit_s + (0.0 if worker in self.warm else WARM_UP_S):
            flight.timed_out = True
            flight.death = f"the trial ran longer than its trial_timeout of {limit_s:g} s"
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
        # With nothing in flight there is nothing to hold up, and Tune would sleep for a second.
        wait_s = ASK_WAIT_S if flights.open else None
        cell = flights.attempt(flights.proposals.take, wait_s)
        if cell is None:
            idle = not flights.open and (flights.error or flights.study.finished)
            return _FINISHED if idle else None
        flights.open[trial_id] = Flight(cell)
        return {CELL: cell}

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
            full = self._flights.full
            self._flights.controller = ray_internals.prepare(controller, trial, workers, full)
        self._flights.open[trial.trial_id].tune_trial = trial

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        flight = self._flights.open[trial.trial_id]
        decision = self._flights.attempt(self._flights.study.report, flight.cell, *result[KEY])
        if decision is Decision.STOP:
            ray_internals.actor_of(trial).stop_cell.remote()
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


def _worker_id(flight: Flight) -> str:
    """The id of the actor that runs a cell; empty while it has none."""
    actor = flight.tune_trial and ray_internals.actor_of(flight.tune_trial)
    return "" if actor is None else str(actor._actor_id.hex())

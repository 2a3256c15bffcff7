"""Ray Tune's three plugs, each a thin adapter to the study: searcher, scheduler, callback."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from ray.tune.progress_reporter import ProgressReporter, TrialProgressCallback
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.engines.ray_tune import tune_internals
from tuner.engines.ray_tune.flights import Flights
from tuner.engines.ray_tune.worker import CELL, HERE, KEY, RENEWED, Said
from tuner.engines.worker_death import KILLED_FOR_MEMORY, cause_of_death
from tuner.trial.cells import Decision

START_S = 30.0
"""How long a cell waits for a worker that starts, before it takes one that stands idle."""
PENDING = "PENDING"
KEPT_TRIALS = 1000
"""How many ended trials Tune may remember."""

_FINISHED = cast("dict[str, Any]", Searcher.FINISHED)  # a string, whatever `suggest` declares


class Landed(Exception):
    """Ends Tune's loop by its way for errors: it frees the workers, and spares us a snapshot and
    an analysis of every trial."""


class AskTell(Searcher):
    """Tune's search algorithm: the study."""

    def __init__(self, flights: Flights) -> None:
        super().__init__()
        self._flights = flights

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        flights = self._flights
        if flights.over or flights.error is not None:
            return _FINISHED
        flights.wait_for_a_slot()
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
        if error or result is None:
            self._flights.end(trial_id, None)
        else:
            self._flights.end(trial_id, result[KEY], renewed=result.get(RENEWED, False))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""


class Reports(TrialScheduler):
    """Tune's scheduler: takes reports to the study, never says STOP."""

    _supports_buffered_results = False

    def __init__(self, flights: Flights, worker: type) -> None:
        super().__init__()
        self._flights = flights
        self._worker = worker

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        flights = self._flights
        if flights.controller is None:
            flights.controller = tune_internals.prepare(
                controller, trial, flights.employed, self._worker, flights.full, flights.reluctance
            )
        flights.open[trial.trial_id].tune_trial = flights.any_trial = trial

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        flight = self._flights.open[trial.trial_id]
        if result[KEY] is Said.BUSY:
            return str(TrialScheduler.CONTINUE)
        if result[KEY] is Said.WARM:
            self._flights.warmed(flight, result[HERE])
            return str(TrialScheduler.CONTINUE)
        decision = self._flights.attempt(self._flights.study.report, flight.cell, *result[KEY])
        if decision is Decision.STOP:
            tune_internals.actor_of(trial).stop_cell.remote()
        elif decision is Decision.PAUSE:
            self._flights.set_aside(flight)
            tune_internals.actor_of(trial).pause_cell.remote()
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        flight = self._flights.open.get(trial.trial_id)
        if flight is not None and flight.timed_out is None:
            flight.death = cause_of_death(Path(trial.error_file).read_text())
            if flight.death.startswith(KILLED_FOR_MEMORY):
                self._flights.use_fewer()

    def choose_trial_to_run(self, controller: Any) -> None:
        """None: Tune starts pending trials in order by itself, without a look at all of them."""
        for flight in self._flights.open.values():
            trial = flight.tune_trial
            if trial is not None and trial.status == PENDING:
                young = time.monotonic() - flight.started < START_S
                tune_internals.let_start(self._flights.controller, trial, undisturbed=young)

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Nothing: the searcher hears of it."""

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        """Nothing: the searcher hears of it."""

    def debug_string(self) -> str:
        return ""


class Silent(ProgressReporter):
    """Stands in for Tune's own reporter, which in a notebook erases its cell's output."""

    def setup(self, *what: Any, **more: Any) -> None:
        """Nothing: it reports nothing."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: Any) -> None:
        """Nothing: the study's own display shows it."""


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
        flights.follow()
        if len(trials) > KEPT_TRIALS + len(flights.open):
            tune_internals.forget_ended(flights.controller)
        if flights.error is not None or flights.study.finished:
            flights.kill()
            raise Landed

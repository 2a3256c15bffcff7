"""The Ray Tune engine: places cells on workers, brings reports back, survives failures.

Two thin adapters and a sweep. The searcher's `suggest` asks the study, the scheduler's
`on_trial_result` reports to it, a trial's end tells it; the study alone decides. To Tune every
result is "continue": a stop travels to the worker as a call on its actor, queued before the call
that lets the training go on, so that the training function ends by itself.
"""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import ray
from ray import cloudpickle, tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from tuner.engines import ray_internals
from tuner.engines.proposals import Proposals
from tuner.engines.ray_worker import CELL, KEY, CellWorker, Job
from tuner.experiment import Experiment, KerasModel, Objective
from tuner.folds import Splits
from tuner.loading import Source
from tuner.trial import Cell, Decision, Ending, Outcome

if TYPE_CHECKING:
    from tuner.datasets import Dataset
    from tuner.runtime import Runtime

ASK_WAIT_S = 0.05
"""How long a slow ask may hold up the reports of other workers, at a time."""

T = TypeVar("T")


class _Landed(Exception):
    """Ends Tune's loop by its way for errors: it frees the workers, and spares us a snapshot and
    an analysis of every trial."""


class Study(Protocol):
    """What the engine needs of a study."""

    experiment: Experiment

    @property
    def finished(self) -> bool: ...
    def ask(self) -> Cell | None: ...
    def report(
        self, cell: Cell, epoch: int, metrics: Mapping[str, float], time_s: float
    ) -> Decision: ...
    def tell(self, cell: Cell, outcome: Outcome) -> None: ...


def run(
    study: Study,
    runtime: Runtime,
    source: Source,
    *,
    dataset: Dataset | None = None,
    splits: Splits | None = None,
    files: Path | None = None,
) -> None:
    """Run a study until it is finished, `runtime.concurrency` cells at a time.

    `files` is the folder for what training functions write.

    Raises EngineError when Ray cannot start, and whatever the study raised. After Ctrl-C, and when
    the study is finished by a limit, the cells in flight are ended and not told.
    """
    ray_internals.check()
    concurrency = runtime.concurrency
    experiment = study.experiment
    job = Job(
        source=source,
        objective=_pickled(experiment.objective) if source.kind == "object" else None,
        metric=experiment.metric,
        paths=_user_paths(),
        splits=splits or Splits(),
        cpus=runtime.cpus_per_trial,
        gpus=runtime.gpus_per_trial,
        keras=needs_keras(experiment.objective),
        files=files,
    )
    ahead = concurrency > 1 and not experiment.deterministic
    proposals = Proposals(study, ahead=ahead)
    flights = _Flights(study, proposals, concurrency)
    # Fewer, and Tune cancels actors that still start; more, and it makes trials ahead of the study.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(concurrency)
    worker = _worker_class(ray.put(job), None if dataset is None else ray.put(dataset))
    if study.finished:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="tuner-tune-") as folder:
            tune.run(
                worker,
                name="run",
                search_alg=_AskTell(flights),
                scheduler=_Reports(flights),
                callbacks=[_Sweep(flights)],
                num_samples=-1,
                reuse_actors=True,
                resources_per_trial={"cpu": runtime.cpus_per_trial, "gpu": runtime.gpus_per_trial},
                max_failures=0,
                raise_on_failed_trial=False,
                storage_path=folder,
                trial_dirname_creator=lambda trial: trial.trial_id,
                verbose=0,
            )
    except _Landed:
        pass
    except BaseException:
        flights.kill()
        raise
    finally:
        proposals.close()
    if flights.error is not None:
        raise flights.error


def needs_keras(objective: Objective) -> bool:
    """Whether workers should import Keras before their first trial.

    A training function need only be in a module that names Keras or TensorFlow.
    """
    if isinstance(objective, KerasModel):
        return True
    module = inspect.getmodule(objective)
    try:
        text = inspect.getsource(module or objective)
    except (OSError, TypeError):  # typed at a prompt: the function will import what it needs
        return False
    return "keras" in text or "tensorflow" in text


# ----------------------------------------------------------------------------- the driver


@dataclass
class _Flight:
    """A cell in the air. `tune_trial` is known once Tune has made it, `outcome` once it ended."""

    cell: Cell
    started: float = field(default_factory=time.monotonic)
    tune_trial: Any = None
    stopping: bool = False
    death: str = "the worker died, or never started"


class _Flights:
    """The cells in flight, by Tune's trial id, and the study's first error."""

    def __init__(self, study: Study, proposals: Proposals, concurrency: int) -> None:
        self.study = study
        self.proposals = proposals
        self.concurrency = concurrency
        self.open: dict[str, _Flight] = {}
        self.error: Exception | None = None
        self.over = False

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
            outcome = Outcome(Ending.DIED, flight.death, duration_s)
        self.attempt(self.study.tell, flight.cell, outcome)

    def kill(self) -> None:
        """End every worker that has a cell, and tell nothing any more."""
        self.over = True
        for flight in self.open.values():
            actor = flight.tune_trial and ray_internals.actor_of(flight.tune_trial)
            if actor is not None:
                ray.kill(actor)


class _AskTell(Searcher):  # type: ignore[misc]
    """Tune's search algorithm: the study."""

    def __init__(self, flights: _Flights) -> None:
        super().__init__()
        self._flights = flights

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        flights = self._flights
        if flights.over or flights.error is not None:
            return str(Searcher.FINISHED)
        if len(flights.open) >= flights.concurrency:
            return None
        # With nothing in flight there is nothing to hold up, and Tune would sleep for a second.
        wait_s = ASK_WAIT_S if flights.open else None
        cell = flights.attempt(flights.proposals.take, wait_s)
        if cell is None:
            idle = not flights.open and (flights.error or flights.study.finished)
            return str(Searcher.FINISHED) if idle else None
        flights.open[trial_id] = _Flight(cell)
        return {CELL: cell}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._flights.end(trial_id, None if error or result is None else result[KEY])

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the study keeps itself."""


class _Reports(TrialScheduler):  # type: ignore[misc]
    """Tune's scheduler: takes reports to the study, never says STOP."""

    _supports_buffered_results = False

    def __init__(self, flights: _Flights) -> None:
        super().__init__()
        self._flights = flights

    def on_trial_add(self, controller: Any, trial: Any) -> None:
        if len(self._flights.open) == 1:
            ray_internals.prepare(controller, trial, self._flights.concurrency)
        self._flights.open[trial.trial_id].tune_trial = trial

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        flight = self._flights.open[trial.trial_id]
        decision = self._flights.attempt(self._flights.study.report, flight.cell, *result[KEY])
        if decision is Decision.STOP:
            ray_internals.actor_of(trial).stop_cell.remote()
        return str(TrialScheduler.CONTINUE)

    def on_trial_error(self, controller: Any, trial: Any) -> None:
        flight = self._flights.open.get(trial.trial_id)
        if flight is not None:
            flight.death = _cause_of_death(trial)

    def choose_trial_to_run(self, controller: Any) -> None:
        """None: Tune starts pending trials in order by itself, without a look at all of them."""

    def on_trial_complete(self, controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Nothing: the searcher hears of it."""

    def on_trial_remove(self, controller: Any, trial: Any) -> None:
        """Nothing: the searcher hears of it."""

    def debug_string(self) -> str:
        return ""


class _Sweep(tune.Callback):  # type: ignore[misc]
    """After every step of Tune's: finds cells that ended unnoticed, and ends a run that is over."""

    def __init__(self, flights: _Flights) -> None:
        self._flights = flights

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        flights = self._flights
        for tune_id, flight in list(flights.open.items()):
            # As after a failed start or reset of an actor, of which Tune tells nobody.
            if flight.tune_trial is not None and flight.tune_trial.is_finished():
                flights.end(tune_id, None)
        if flights.error is not None or flights.study.finished:
            flights.kill()
            raise _Landed


def _cause_of_death(trial: Any) -> str:
    return "the worker died: " + " ".join(Path(trial.error_file).read_text().split())


# ------------------------------------------------------------------------- what is shipped


def _worker_class(job: Any, dataset: Any) -> type[CellWorker]:
    """A worker class that knows its job, as Tune gives its trainables no other arguments."""
    return type("Worker", (CellWorker,), {"job": job, "dataset": dataset, "__module__": "__main__"})


def _user_paths() -> tuple[str, ...]:
    """The folders from which the driver imports modules, Python's own aside."""
    paths = sysconfig.get_paths()
    own = (sys.prefix, sys.base_prefix, paths["stdlib"], paths["purelib"], paths["platlib"])
    found = (str(Path(path or ".").resolve()) for path in sys.path)
    return tuple(path for path in found if Path(path).is_dir() and not path.startswith(own))


def _pickled(objective: Objective) -> bytes:
    """An objective made in memory, by value: its module need not exist where it goes."""
    functions: Sequence[Any] = [objective]
    if isinstance(objective, KerasModel):
        functions = [value for value in vars(objective).values() if callable(value)]
    modules = {sys.modules[f.__module__] for f in functions if hasattr(f, "__module__")}
    by_value = [module for module in modules if _is_users(module)]
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled: bytes = cloudpickle.dumps(objective)
        return pickled
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)


def _is_users(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    paths = sysconfig.get_paths()
    installed = (paths["stdlib"], paths["purelib"], paths["platlib"])
    return file is not None and module.__name__ != "__main__" and not file.startswith(installed)

"""The Ray Tune engine: places cells on workers, brings reports back, survives failures.

The searcher's `suggest` asks the study, the scheduler's `on_trial_result` reports to it, a trial's
end tells it (`adapters`); the study alone decides. To Tune every result is "continue": a stop
travels to the worker (`worker`) as a call on its actor, queued before the call that lets the
training go on, so that the training function ends by itself.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

import ray

from tuner.cluster.light_tune import tune
from tuner.engines.ask_ahead import Proposals, asks_ahead
from tuner.engines.contract import Job, Study
from tuner.engines.ray_tune import tune_internals
from tuner.engines.ray_tune.adapters import AskTell, Landed, Reports, Silent, Sweep
from tuner.engines.ray_tune.flights import Flights
from tuner.engines.ray_tune.worker import CellWorker
from tuner.engines.shipping import Shipment, shipment
from tuner.forks.start import why_not
from tuner.training.checkpoint import CheckpointFile

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime


class StandIn(tune.Trainable):
    """What Tune takes for a trial's trainable, and never starts: `tune_internals.prepare` lets it
    start a CellWorker."""


class RayTune:
    """One Ray Tune trial a cell, `cluster.concurrency` of them at a time, any training function."""

    def __init__(self, job: Job, cluster: Runtime) -> None:
        self._job = job
        self._cluster = cluster

    def why_not(self) -> str | None:
        """It trains whatever there is, but for a process a trial where nothing can be forked."""
        return why_not() if self._job.experiment.isolate else None

    def run(self, study: Study) -> None:
        """Run a study until it is finished.

        Raises EngineError when Ray cannot start, and whatever the study raised. After Ctrl-C, and
        when the study is finished by a limit, the cells in flight are ended and not told.
        """
        tune_internals.check()
        cluster = self._cluster
        concurrency = cluster.concurrency
        shipped = shipment(self._job, cluster)
        ahead = asks_ahead(study.experiment, concurrency)
        proposals = Proposals(study, ahead=ahead)
        flights = Flights(study, proposals, concurrency, cluster)
        flights.concurrency = cluster.workers
        # Fewer, and Tune cancels actors that still start; more, and it makes trials ahead of the
        # study.
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(concurrency)
        try:
            self._tune(flights, shipped)
        except Landed:
            pass
        except BaseException:
            flights.kill()
            flights.free()
            raise
        finally:
            proposals.close()
        if flights.error is not None:
            raise flights.error
        for cell in flights.paused.values():  # these will not go on: their study has ended
            CheckpointFile(shipped.folder(cell), cell, "fit").remove()

    def _tune(self, flights: Flights, shipped: Shipment) -> None:
        worker = self._worker_class(shipped)
        with (
            tempfile.TemporaryDirectory(prefix="tuner-tune-") as folder,
            tune_internals.one_trainable(StandIn),
            tune_internals.uncounted(),
        ):
            tune.run(
                StandIn,
                name="run",
                search_alg=AskTell(flights),
                scheduler=Reports(flights, worker),
                callbacks=[Sweep(flights)],
                num_samples=-1,
                reuse_actors=True,
                resources_per_trial=self._resources(),
                max_failures=0,
                raise_on_failed_trial=False,
                storage_path=folder,
                trial_dirname_creator=lambda trial: trial.trial_id,
                verbose=0,
                progress_reporter=Silent(),
            )

    def _resources(self) -> tune.PlacementGroupFactory:
        """What a trial takes, and where: the same object for all, which is why Tune keeps
        workers."""
        labels = self._cluster.labels()
        where: dict[str, Any] = {"bundle_label_selector": [labels]} if labels else {}
        return tune.PlacementGroupFactory([self._cluster.bundle], **where)

    def _worker_class(self, shipped: Shipment) -> type[CellWorker]:
        """A worker class that knows its job, as Tune gives its trainables no other arguments."""
        dataset = None if self._job.dataset is None else ray.put(self._job.dataset)
        content = {"shipped": ray.put(shipped), "dataset": dataset, "__module__": "__main__"}
        return type("Worker", (CellWorker,), content)

"""The Ray Tune engine: places cells on workers, brings reports back, survives failures.

The searcher's `suggest` asks the study, the scheduler's `on_trial_result` reports to it, a trial's
end tells it (`ray_adapters`); the study alone decides. To Tune every result is "continue": a stop
travels to the worker (`ray_worker`) as a call on its actor, queued before the call that lets the
training go on, so that the training function ends by itself.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from tuner.cluster import ray_internals
from tuner.data.splits import Splits
from tuner.engines.ask_ahead import Proposals
from tuner.engines.contract import Job, Study
from tuner.engines.ray_tune.adapters import AskTell, Flights, Landed, Reports, Sweep
from tuner.engines.ray_tune.worker import CellWorker
from tuner.engines.shipping import needs_keras, pickled, user_paths
from tuner.experiment.loading import Source

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime
    from tuner.data.datasets import Dataset


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
    if study.finished:
        return
    ray_internals.check()
    concurrency = runtime.concurrency
    experiment = study.experiment
    job = Job(
        source=source,
        objective=pickled(experiment.objective) if source.kind == "object" else None,
        metric=experiment.metric,
        paths=user_paths(),
        splits=splits or Splits(),
        cpus=runtime.cpus_per_trial,
        gpus=runtime.gpus_per_trial,
        keras=needs_keras(experiment.objective),
        files=files,
        checkpoint_every=experiment.checkpoint_every,
    )
    ahead = concurrency > 1 and not experiment.deterministic
    proposals = Proposals(study, ahead=ahead)
    slots = runtime.slots if runtime.grows else None
    flights = Flights(study, proposals, concurrency, slots)
    # Fewer, and Tune cancels actors that still start; more, and it makes trials ahead of the study.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(concurrency)
    worker = _worker_class(ray.put(job), None if dataset is None else ray.put(dataset))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="tuner-tune-") as folder,
            ray_internals.one_trainable(worker),
        ):
            tune.run(
                worker,
                name="run",
                search_alg=AskTell(flights),
                scheduler=Reports(flights),
                callbacks=[Sweep(flights)],
                num_samples=-1,
                reuse_actors=True,
                resources_per_trial=_resources(runtime),
                max_failures=0,
                raise_on_failed_trial=False,
                storage_path=folder,
                trial_dirname_creator=lambda trial: trial.trial_id,
                verbose=0,
            )
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


def _resources(runtime: Runtime) -> tune.PlacementGroupFactory:
    """What a trial takes, and where: the same object for all, which is why Tune keeps workers."""
    labels = runtime.labels()
    where: dict[str, Any] = {"bundle_label_selector": [labels]} if labels else {}
    return tune.PlacementGroupFactory([runtime.bundle], **where)


def _worker_class(job: Any, dataset: Any) -> type[CellWorker]:
    """A worker class that knows its job, as Tune gives its trainables no other arguments."""
    return type("Worker", (CellWorker,), {"job": job, "dataset": dataset, "__module__": "__main__"})

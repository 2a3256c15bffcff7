"""All that tuner takes from Ray's private parts, in one place; `check` says what is missing.

Ray 2.60 has no public way to any of these. `tests/engines/test_ray_tune.py` pins them.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tuner.errors import EngineError

NODE_S = 30.0
NODE_POLL_S = 0.02
"""How long a starting Ray is waited for, and how often it is looked at."""


def check() -> None:
    """Raise EngineError if this version of Ray lacks something that tuner takes from it."""
    from ray._private import node, parameter, ray_constants, services, state, worker

    wanted: list[tuple[Any, str]] = [
        (worker, "_worker_logs_enabled"),
        (ray_constants, "ENABLE_RAY_CLUSTER"),
        (parameter, "RayParams"),
        (node.Node, "start_api_server"),
        (services, "get_node"),
        (services, "_get_gcs_client_options"),
        (state.GlobalState, "_initialize_global_state"),
    ]
    missing = [f"{owner.__name__}.{part}" for owner, part in wanted if not hasattr(owner, part)]
    if missing:
        raise _unfit(f"it lacks {', '.join(missing)}")


def actor_of(tune_trial: Any) -> Any:
    """The handle of the actor that runs a Tune trial; None where it has none."""
    return tune_trial.temporary_state.ray_actor


def prepare(controller: Any, tune_trial: Any, workers: int, full: Container[str] = ()) -> Any:
    """Set up Tune's controller at its first trial: keep the workers, keep no state of Tune's own.

    Returns the controller itself, whose `cleanup` frees the workers and their places. Tune keeps
    one idle actor, and with one thrown away TensorFlow's import is lost. Its state, which nothing
    here reads, is 11 KB a trial, all of it written at the end. The worker of a trial that is in
    `full` is not kept: a new one takes its place.
    """
    try:
        inner = controller._tune_controller
        inner._actor_cache.increase_max(tune_trial.placement_group_factory, by=workers)
        inner.checkpoint  # noqa: B018  it must exist to be replaced
        _take_every_death_for_one(inner._actor_manager)
        keep = inner._maybe_cache_trial_actor
        forget_ended(inner)
        let_start(inner, tune_trial, undisturbed=True)
    except AttributeError as error:
        raise _unfit(str(error)) from error
    inner.checkpoint = lambda **when: None
    inner._maybe_cache_trial_actor = lambda trial: trial.trial_id not in full and keep(trial)
    return inner


def _take_every_death_for_one(manager: Any) -> None:
    """Let a worker's death be a death to Tune whatever Ray calls it.

    By itself it ends the whole run where Ray killed a worker for memory, or lost its node's store.
    """
    from ray.exceptions import RayActorError, RayError, RayTaskError

    failed = manager._actor_task_failed

    def task_failed(tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, RayError) and not isinstance(
            exception, RayActorError | RayTaskError
        ):
            exception = RayActorError(error_msg=str(exception))
        failed(tracked_actor_task, exception)

    manager._actor_task_failed = task_failed


def employ(controller: Any, tune_trial: Any, workers: int, more: int) -> None:
    """Let the controller that `prepare` returned have so many workers, `more` of them new."""
    controller._actor_cache.increase_max(tune_trial.placement_group_factory, by=more)
    controller.update_max_pending_trials(workers)


def let_start(controller: Any, tune_trial: Any, *, undisturbed: bool) -> None:
    """Say whether a pending trial waits for its own worker that starts, or may take an idle one.

    By itself Tune gives it the idle one and cancels the start, so that with short trials all of
    them run on the worker that came first.
    """
    waiting = controller._resources_to_pending_trials[tune_trial.placement_group_factory]
    if not undisturbed:
        waiting.add(tune_trial)
    elif tune_trial in controller._trial_to_actor:
        waiting.discard(tune_trial)


def forget_ended(controller: Any) -> None:
    """Let the controller that `prepare` returned drop the trials that have ended: 20 KB each."""
    for trials in (controller._trials_to_cache, controller._live_trials):
        trials.difference_update([trial for trial in trials if trial.is_finished()])
    controller._trials[:] = [trial for trial in controller._trials if not trial.is_finished()]
    controller._stopped_trials.clear()
    controller._failed_trials.clear()


@contextmanager
def one_trainable(trainable: type) -> Iterator[None]:
    """Let Tune know `trainable` by itself: it asks Ray's head three times a trial, 2 ms in all."""
    from ray.tune import registry

    known: Any = registry._global_registry

    def contains(category: str, key: str) -> bool:
        return category == registry.TRAINABLE_CLASS or type(known).contains(known, category, key)

    def get(category: str, key: str) -> Any:
        if category == registry.TRAINABLE_CLASS:
            return trainable
        return type(known).get(known, category, key)

    known.contains, known.get = contains, get
    try:
        yield
    finally:
        del known.contains, known.get


def _unfit(what: str) -> EngineError:
    import ray

    return EngineError(
        f"Ray {ray.__version__} does not fit tuner ({what}); install the version that "
        "requirements.lock names"
    )


def silence() -> None:
    """Keep the raylet's lines, which a thread of Ray prints, out of this process's stdout."""
    from ray._private import worker

    worker._worker_logs_enabled = False


@contextmanager
def local_start() -> Iterator[None]:
    """Let a Ray that starts inside listen on 127.0.0.1 alone, and do without what we do not use.

    Ray turns "127.0.0.1" into the machine's address, and then listens everywhere, unless it is
    told that this machine takes part in no cluster, as it is on macOS and Windows. Its autoscaler,
    log monitor and API server cost 1.4 s of CPU at the start, 250 MB, and 1 s at the end. And it
    asks for its new node once a second, where that is there after half of one.
    """
    from ray._private import node, parameter, ray_constants, services

    cluster = ray_constants.ENABLE_RAY_CLUSTER
    params: Any = parameter.RayParams
    server, get_node = node.Node.start_api_server, services.get_node

    def get_soon(gcs_address: str, node_id: str) -> Any:
        _wait_for_node(gcs_address, node_id)
        return get_node(gcs_address, node_id)

    ray_constants.ENABLE_RAY_CLUSTER = False
    services.get_node = get_soon
    vars(parameter)["RayParams"] = partial(params, no_monitor=True, include_log_monitor=False)
    setattr(node.Node, "start_api_server", lambda self, **options: None)  # noqa: B010
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = cluster
        vars(parameter)["RayParams"] = params
        setattr(node.Node, "start_api_server", server)  # noqa: B010
        services.get_node = get_node


def _wait_for_node(gcs_address: str, node_id: str) -> None:
    """Wait until a node that was just started is known; after half a minute Ray's own way asks."""
    from ray._private import services, state

    found = state.GlobalState()
    found._initialize_global_state(services._get_gcs_client_options(gcs_address))
    end = time.monotonic() + NODE_S
    while time.monotonic() < end:
        if any(one["NodeID"] == node_id and one["Alive"] for one in found.node_table()):
            return
        time.sleep(NODE_POLL_S)

"""All that tuner takes from Ray's private parts, in one place; `check` says what is missing.

Ray 2.60 has no public way to any of these. `tests/engines/test_ray_tune.py` pins them.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tuner.errors import EngineError

NODE_S = 30.0
NODE_POLL_S = 0.02
"""How long a starting Ray is waited for, and how often it is looked at."""


_CONTROLLER = "ray.tune.execution.tune_controller:TuneController"
_MANAGER = "ray.air.execution._internal.actor_manager:RayActorManager"
CORE: dict[str, tuple[str, ...]] = {
    "ray._private.worker": ("_worker_logs_enabled",),
    "ray._private.ray_constants": ("ENABLE_RAY_CLUSTER",),
    "ray._private.parameter": ("RayParams",),
    "ray._private.node:Node": ("start_api_server",),
    "ray._private.services": ("get_node", "_get_gcs_client_options"),
    "ray._private.state:GlobalState": ("_initialize_global_state", "node_table"),
    "ray.actor:ActorHandle": ("_actor_id",),
    "ray._raylet:AuthenticationTokenLoader": ("instance", "reset_cache"),
}
TUNE: dict[str, tuple[str, ...]] = {
    "ray.tune.registry": ("_global_registry", "TRAINABLE_CLASS"),
    "ray.tune.schedulers:TrialScheduler": ("_supports_buffered_results",),
    "ray.tune.execution.tune_controller:TrialRunnerWrapper": ("_tune_controller",),
    "ray.tune.experiment.trial:_TemporaryTrialState": ("ray_actor",),
    "ray.tune.utils.object_cache:_ObjectCache": ("_cached_objects", "increase_max"),
    _MANAGER: (
        "add_actor",
        "schedule_actor_task",
        "_actor_task_failed",
        "_live_actors_to_ray_actors_resources",
        "_try_kill_actor",
    ),
    _CONTROLLER: (
        "checkpoint",
        "cleanup",
        "update_max_pending_trials",
        "_actor_cache",
        "_actor_manager",
        "_actor_to_trial",
        "_class_cache",
        "_failed_trials",
        "_live_trials",
        "_maybe_cache_trial_actor",
        "_maybe_reuse_cached_actor",
        "_resetting_trials",
        "_resources_to_pending_trials",
        "_set_trial_status",
        "_stopped_trials",
        "_trial_to_actor",
        "_trials",
        "_trials_to_cache",
        "_unstage_trial_with_resources",
    ),
}
JOBS: dict[str, tuple[str, ...]] = {
    "ray.dashboard.modules.dashboard_sdk:SubmissionClient": ("_do_request",),
}
"""Where (a module, or a class in it) and which: everything that is used below."""


def check(*, tune: bool = False, jobs: bool = False) -> None:
    """Raise EngineError if this version of Ray lacks something that tuner takes from it; with
    `tune` of Ray Tune too, which takes half a second to import, with `jobs` of its job server's
    client."""
    missing = [
        f"{place.replace(':', '.')}.{name}"
        for place, names in (CORE | (TUNE if tune else {}) | (JOBS if jobs else {})).items()
        for name in names
        if not _is_there(place, name)
    ]
    if missing:
        raise _unfit(f"it lacks {', '.join(missing)}")


def _is_there(place: str, name: str) -> bool:
    """Whether a module or class has a name, or the class' instances from their making on."""
    module_name, _, class_name = place.partition(":")
    try:
        # runs code: Ray's
        owner: Any = importlib.import_module(module_name)
    except ImportError:
        return False
    if not class_name:
        return hasattr(owner, name)
    owner = getattr(owner, class_name, None)
    if owner is None:
        return False
    made_in = getattr(owner.__init__, "__code__", None)
    fields = getattr(owner, "__annotations__", {})
    made = made_in is not None and name in made_in.co_names
    return made or hasattr(owner, name) or name in fields


def actor_of(tune_trial: Any) -> Any:
    """The handle of the actor that runs a Tune trial; None where it has none."""
    return tune_trial.temporary_state.ray_actor


def id_of(actor: Any) -> str:
    """The id of an actor, by its handle."""
    return str(actor._actor_id.hex())


def prepare(
    controller: Any,
    tune_trial: Any,
    worker: type,
    workers: int,
    full: Container[str] = (),
    reluctance: Callable[[str, str], int] = lambda trial_id, worker_id: 0,
) -> Any:
    """Set up Tune's controller at its first trial: start workers of the class `worker`, keep them,
    and keep no state of Tune's own.

    Returns the controller itself, whose `cleanup` frees the workers and their places. Tune keeps
    one idle actor, and with one thrown away TensorFlow's import is lost. Its state, which nothing
    here reads, is 11 KB a trial, all of it written at the end. The worker of a trial that is in
    `full` is not kept: a new one takes its place. Of the idle workers a trial takes the one with
    the least `reluctance(trial's id, worker's id)`, and of equals the one that is idle longest.
    """
    try:
        inner = controller._tune_controller
        inner._actor_cache.increase_max(tune_trial.placement_group_factory, by=workers)
        inner.checkpoint  # noqa: B018  it must exist to be replaced
        _take_every_death_for_one(inner._actor_manager)
        _prefer(inner, reluctance)
        _employ_instead(inner, worker)
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


def _employ_instead(inner: Any, worker: type) -> None:
    """Let the controller start actors of the class `worker` for its trials, and tell them nothing
    that is of Tune's own types: a worker that reads those imports Tune and more of Ray."""
    manager = inner._actor_manager
    add_actor, schedule = manager.add_actor, manager.schedule_actor_task

    def own(config: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in config.items() if not name.startswith("__")}

    def add_ours(*, cls: Any, kwargs: dict[str, Any], **more: Any) -> Any:
        ours = {"config": own(kwargs["config"])}
        return add_actor(cls=inner._class_cache.get(worker), kwargs=ours, **more)

    def schedule_ours(tracked_actor: Any, method_name: str, **more: Any) -> Any:
        if method_name == "reset":
            more |= {"args": (own(more["args"][0]),), "kwargs": {}}
        return schedule(tracked_actor, method_name, **more)

    manager.add_actor, manager.schedule_actor_task = add_ours, schedule_ours


def _prefer(inner: Any, reluctance: Callable[[str, str], int]) -> None:
    """Let a trial have the idle worker that it is for; by itself Tune takes the first of them."""
    reuse = inner._maybe_reuse_cached_actor
    live = inner._actor_manager._live_actors_to_ray_actors_resources

    def reuse_the_right_one(trial: Any) -> bool:
        idle = inner._actor_cache._cached_objects[trial.placement_group_factory]
        if len(idle) > 1:
            idle.sort(key=lambda tracked: reluctance(trial.trial_id, id_of(live[tracked][0])))
        return bool(reuse(trial))

    inner._maybe_reuse_cached_actor = reuse_the_right_one


def employ(controller: Any, tune_trial: Any, workers: int, more: int) -> None:
    """Let the controller that `prepare` returned have so many workers, `more` of them new."""
    controller._actor_cache.increase_max(tune_trial.placement_group_factory, by=more)
    controller.update_max_pending_trials(workers)


def workers_of(controller: Any) -> int:
    """How many actors hold a place, or wait for one, by the controller that `prepare` returned."""
    return int(controller._actor_manager.num_total_actors)


def end_idle(
    controller: Any, tune_trial: Any, count: int, reluctance: Callable[[str], int]
) -> list[str]:
    """End up to `count` idle workers, at once and with their places, those of the least
    `reluctance(worker's id)` first; their ids.

    To lower the cache's maximum is not enough: the places are then kept until Tune's loop goes on.
    """
    request, manager = tune_trial.placement_group_factory, controller._actor_manager
    live = manager._live_actors_to_ray_actors_resources
    idle = controller._actor_cache._cached_objects[request]
    idle.sort(key=lambda tracked: reluctance(id_of(live[tracked][0])))
    ended = []
    for _ in range(min(count, len(idle))):
        tracked = controller._actor_cache.pop_cached_object(request)
        ended.append(id_of(live[tracked][0]))
        manager.remove_actor(tracked, kill=True)
        manager._try_kill_actor()
    return ended


def recall(controller: Any, tune_trial: Any) -> bool:
    """Cancel a pending trial whose worker has not started, with that worker and its place; nobody
    is told. Whether it was so."""
    tracked = controller._trial_to_actor.get(tune_trial)
    if (
        tune_trial.status != "PENDING"
        or tracked is None
        or tune_trial in controller._resetting_trials
    ):
        return False
    del controller._trial_to_actor[tune_trial]
    del controller._actor_to_trial[tracked]
    controller._unstage_trial_with_resources(tune_trial)
    controller._set_trial_status(tune_trial, "TERMINATED")
    controller._live_trials.discard(tune_trial)
    tracked.set_on_start(None)
    tracked.set_on_error(None)
    if controller._actor_manager.remove_actor(tracked, kill=True):
        controller._actor_manager._try_kill_actor()
    return True


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


def ray_version_of(client: Any) -> str:
    """The version of Ray behind the job server of a `JobSubmissionClient`; its own `get_version` is
    the version of an interface."""
    check(jobs=True)
    return str(client._do_request("GET", "/api/version").json()["ray_version"])


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


@contextmanager
def silence() -> Iterator[None]:
    """Keep the raylet's lines, which a thread of Ray prints, out of this process's stdout."""
    from ray._private import worker

    before, worker._worker_logs_enabled = worker._worker_logs_enabled, False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


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

    _forget_token()
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
        _forget_token()


def _forget_token() -> None:
    """Let the next Ray of this process read its own token.

    By itself Ray keeps the first that it reads: after a search a user's `ray.init()` would wait
    for a node that refuses it.
    """
    from ray import _raylet

    raylet: Any = _raylet  # compiled: its stubs lack this
    raylet.AuthenticationTokenLoader.instance().reset_cache()


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

"""All that tuner takes from the private parts of Ray Tune; `check` says what is missing.

Ray 2.60 has no public way to any of these. `tests/engines/test_ray_tune.py` pins them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

from tuner.cluster.ray_internals import CORE, id_of, unfit
from tuner.cluster.ray_internals import check as check_names

_CONTROLLER = "ray.tune.execution.tune_controller:TuneController"
_MANAGER = "ray.air.execution._internal.actor_manager:RayActorManager"
TUNE: dict[str, tuple[str, ...]] = {
    "ray.air._internal.usage": ("tag_callbacks",),
    "ray.tune.registry": ("_global_registry", "TRAINABLE_CLASS"),
    "ray.tune.schedulers:TrialScheduler": ("_supports_buffered_results",),
    "ray.tune.execution.tune_controller:TrialRunnerWrapper": ("_tune_controller",),
    "ray.tune.experiment.trial:_TemporaryTrialState": ("ray_actor",),
    "ray.tune.utils.object_cache:_ObjectCache": ("_cached_objects", "increase_max"),
    _MANAGER: (
        "_actor_task_failed",
        "_live_actors_to_ray_actors_resources",
        "_try_kill_actor",
        "add_actor",
        "schedule_actor_task",
    ),
    _CONTROLLER: (
        "checkpoint",
        "cleanup",
        "update_max_pending_trials",
        "_actor_cache",
        "_actor_manager",
        "_actor_to_trial",
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
"""Where (a module, or a class in it) and which: everything that is used below."""


def check() -> None:
    """Raise EngineError if this version of Ray lacks something that tuner takes from it or from
    Ray Tune, which takes half a second to import."""
    check_names({**CORE, **TUNE})


def actor_of(tune_trial: Any) -> Any:
    """The handle of the actor that runs a Tune trial; None where it has none."""
    return tune_trial.temporary_state.ray_actor


def prepare(
    controller: Any,
    tune_trial: Any,
    workers: int,
    worker: type,
    full: Container[str] = (),
    reluctance: Callable[[str, str], int] = lambda trial_id, worker_id: 0,
) -> Any:
    """Set up Tune's controller at its first trial: start `worker` for its trainable, keep the
    workers, keep no state of Tune's own.

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
        _start(inner._actor_manager, worker)
        _prefer(inner, reluctance)
        keep = inner._maybe_cache_trial_actor
        forget_ended(inner)
        let_start(inner, tune_trial, undisturbed=True)
    except AttributeError as error:
        raise unfit(str(error)) from error
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


def _start(manager: Any, worker: type) -> None:
    """Let the actors be of a class that knows nothing of Tune, and send them nothing of Tune's.

    By itself Tune starts its trainable with a record of its own for the trial, for which every
    worker imports Ray Tune: 1.4 s of CPU and 115 MB each.
    """
    import ray

    add, schedule = manager.add_actor, manager.schedule_actor_task
    actor_class: Any = ray.remote(worker)

    def add_actor(cls: Any, kwargs: dict[str, Any], **options: Any) -> Any:
        return add(cls=actor_class, kwargs={"config": _ours(kwargs["config"])}, **options)

    def schedule_actor_task(
        tracked_actor: Any, method_name: str, args: Any = (), kwargs: Any = None, **options: Any
    ) -> Any:
        if method_name == "reset":
            args, kwargs = (_ours(args[0]),), {}
        return schedule(tracked_actor, method_name, args, kwargs, **options)

    manager.add_actor, manager.schedule_actor_task = add_actor, schedule_actor_task


def _ours(config: dict[str, Any]) -> dict[str, Any]:
    """A trial's config without what Tune adds to it, whose names begin like this."""
    return {name: value for name, value in config.items() if not name.startswith("__")}


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


def leave(controller: Any) -> None:
    """Have nothing given back to a Ray that has died, whose answer Tune would wait for."""
    controller.cleanup = lambda: None


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


@contextmanager
def uncounted() -> Iterator[None]:
    """Let Tune not count callbacks for its telemetry, which is off: for that it would import every
    tracker that is installed (MLflow and Weights & Biases: 2.5 s of CPU)."""
    from ray.air._internal import usage

    count, usage.tag_callbacks = usage.tag_callbacks, lambda callbacks: False
    try:
        yield
    finally:
        usage.tag_callbacks = count

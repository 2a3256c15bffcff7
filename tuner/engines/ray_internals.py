"""All that tuner takes from Ray's private parts, in one place; `check` says what is missing.

Ray 2.60 has no public way to any of these. `tests/engines/test_ray_internals.py` pins them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuner.errors import EngineError


def check() -> None:
    """Raise EngineError if this version of Ray lacks something that tuner takes from it."""
    from ray._private import ray_constants, worker

    wanted = {
        "ray._private.worker._worker_logs_enabled": (worker, "_worker_logs_enabled"),
        "ray._private.ray_constants.ENABLE_RAY_CLUSTER": (ray_constants, "ENABLE_RAY_CLUSTER"),
    }
    missing = [name for name, (owner, part) in wanted.items() if not hasattr(owner, part)]
    if missing:
        raise _unfit(f"it lacks {', '.join(missing)}")


def actor_of(tune_trial: Any) -> Any:
    """The handle of the actor that runs a Tune trial; None where it has none."""
    return tune_trial.temporary_state.ray_actor


def prepare(controller: Any, tune_trial: Any, workers: int) -> Any:
    """Set up Tune's controller at its first trial: keep the workers, keep no state of Tune's own.

    Returns the controller itself, whose `cleanup` frees the workers and their places.

    Tune keeps one idle actor, and with one thrown away TensorFlow's import is lost. Its state,
    which nothing here reads, is 11 KB a trial, all of it written at the end.
    """
    try:
        inner = controller._tune_controller
        inner._actor_cache.increase_max(tune_trial.placement_group_factory, by=workers)
        inner.checkpoint  # noqa: B018  it must exist to be replaced
    except AttributeError as error:
        raise _unfit(str(error)) from error
    inner.checkpoint = lambda **when: None
    return inner


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
def loopback() -> Iterator[None]:
    """Let Ray's processes that start inside listen on 127.0.0.1 alone.

    Ray turns "127.0.0.1" into the machine's address, and then listens everywhere, unless it is
    told that this machine takes part in no cluster, as it is on macOS and Windows.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before

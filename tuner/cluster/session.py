"""Ray's start and end: a local Ray of our own, or a connection to a running cluster.

    with connect(concurrency=None, cpus_per_trial=1.0) as runtime:   # Ray starts meanwhile
        ...                                                          # load data, open the study
        ray_tune.run(study, runtime, ...)

A local Ray listens on 127.0.0.1 only, behind a random token that no file holds, writes below a
temporary folder that is removed at the end, and prints nothing. A process that is connected to Ray
already goes on with that one, and stays connected.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tuner.cluster.address import check_address
from tuner.cluster.put_back import environment, signals, temp_folder
from tuner.cluster.resources import (
    _amount,
    _asked,
    _local_options,
    count_fitting,
    fitting,
    gpu_nodes_to_spare,
    memory_of_one,
)
from tuner.cluster.versions import check_versions
from tuner.errors import EngineError, StudyError

if TYPE_CHECKING:
    from tuner.sharing.lease import Lease

ALIVE_S = 1.0
"""How often to look whether the processes of a local Ray are there: without its GCS Ray ends the
driver itself after a minute, and without a raylet no worker is replaced."""
NODE_LABEL = "ray.io/node-id"
"""By which Ray selects nodes."""

ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a user's relative paths mean what they say
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # five files a trial, and twice the time
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # else Ctrl-C returns normally, after 10 s
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_THRESHOLD_S": "1e9",  # a slow study is not news
}
LOCAL_ENVIRONMENT = {
    # With a token there Ray's start makes no file in HOME. RAY_AUTH_MODE is left to Ray, which
    # reads it on import.
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    # What a trial's process has started ends with it, whatever ended that.
    "RAY_process_group_cleanup_enabled": "1",
    # The raylet and its store start at once, and if one is the first by a hair, it waits so long.
    "RAY_raylet_client_connect_timeout_milliseconds": "20",
    "RAY_raylet_client_num_connect_attempts": "500",
}


class Runtime:
    """A Ray that is starting or has started. `ready` waits for it."""

    def __init__(
        self,
        concurrency: int | None,
        cpus_per_trial: float,
        gpus_per_trial: float,
        memory_per_trial: float = 0.0,
        *,
        local: bool = True,
        joined: bool = False,
    ) -> None:
        """`local` is a Ray of our own, `joined` one that this process is connected to already.
        `kept_as` names one that outlives a run, for the next."""
        self.local = local
        self.joined = joined
        self.lease: Lease | None = None
        self.on_death: Callable[[StudyError], None] = lambda error: None
        """Hears from a thread, again and again, that a process of the local Ray has died."""
        self.kept_as = ""
        self.memory_per_trial = memory_per_trial
        self.cpus_per_trial = cpus_per_trial
        self.gpus_per_trial = gpus_per_trial
        self._concurrency = concurrency
        self._given = concurrency is not None
        self._error: EngineError | None = None
        self._started = threading.Event()

    def ready(self) -> None:
        """Wait until Ray runs. Raises EngineError if it cannot start or has no place."""
        self._started.wait()
        if threading.current_thread() is threading.main_thread():
            # Ray's start has put a handler of its own over Python's, which prints a stack.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        if self._error is not None:
            raise self._error

    @property
    def concurrency(self) -> int:
        """How many trials run at a time. Waits, and raises, as `ready` does."""
        self.ready()
        assert self._concurrency is not None
        return self._concurrency

    @property
    def most(self) -> int | None:
        """How many trials are to run at a time at most, where somebody said so."""
        return self._concurrency if self._given else None

    @property
    def workers(self) -> int:
        """How many workers there may be now: this study's share, where a cluster is shared."""
        return self.concurrency if self.lease is None else self.lease.allowed

    @property
    def grows(self) -> bool:
        """Whether trials follow the cluster's nodes as they come and go: none said how many."""
        return not self._given and not self.local

    def slots(self) -> int:
        """How many trials fit the nodes that are there now; none may."""
        import ray

        return count_fitting(ray.nodes(), *self._needs)

    @property
    def memory_mb(self) -> float:
        """What a worker may take of its node's memory: as given, or its part of what Ray counts."""
        import ray

        if self.memory_per_trial:
            return self.memory_per_trial
        return memory_of_one(ray.nodes(), *self._needs)

    @property
    def bundle(self) -> dict[str, float]:
        """What a trial takes of a node, by Ray's names."""
        return _asked(*self._needs)

    @property
    def _needs(self) -> tuple[float, float, float]:
        return self.cpus_per_trial, self.gpus_per_trial, self.memory_per_trial

    def labels(self) -> dict[str, str]:
        """Ray's label selector of the nodes to use: not those whose GPUs others need."""
        import ray

        spared = gpu_nodes_to_spare(ray.nodes(), *self._needs)
        return {NODE_LABEL: f"!in({','.join(spared)})"} if spared else {}

    def hold(self, options: Mapping[str, Any], end: threading.Event) -> None:
        """Start Ray, see what it has place for, and shut it down at `end`.

        One thread for all of it: Linux kills Ray's processes when the thread that started them
        ends. An error waits for `ready`.
        """
        import ray

        from tuner.cluster import ray_internals

        self._start(options)
        while not end.wait(ALIVE_S):
            if self.local and self._error is None and (died := ray_internals.died()):
                self.on_death(
                    StudyError(
                        f"Ray's process {died!r} has died, so the run was stopped; go on with "
                        "`resume`"
                    )
                )
        if not self.joined:
            ray.shutdown(wait_for_processes=True)

    def _start(self, options: Mapping[str, Any]) -> None:
        import ray

        try:
            if not self.joined:
                ray.init(**options)
            if not self.local:
                check_versions(ray.nodes(), but=ray.get_runtime_context().get_node_id())
            slots = fitting(ray.nodes(), *self._needs)
            if self._concurrency is None or self.joined:
                self._concurrency = min(slots, self._concurrency or slots)
            elif (
                (self.gpus_per_trial or self.memory_per_trial)
                and "num_cpus" in options
                and self._concurrency > slots
            ):
                wanted = " and ".join(_amount(*one) for one in self.bundle.items())
                raise EngineError(
                    f"concurrency {self._concurrency} with {wanted} a trial needs more GPUs or "
                    f"memory than there are: {slots} such trials fit; lower one of them"
                )
        except EngineError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  # raised again by `ready`
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._error = EngineError(f"Ray cannot start ({options['address']}): {reason}")
        finally:
            self._started.set()


@contextmanager
def connect(
    concurrency: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
    memory_per_trial: float | None = None,
    address: str | None = None,
) -> Iterator[Runtime]:
    """Start a local Ray, or connect to the cluster at `address` ("host:port" or "auto").

    Where this process is connected to a Ray already, that one is used and left as it is.
    Ray starts in the background: `Runtime.ready` waits for it. Without `concurrency` as many
    trials run as fit the CPUs, GPUs and memory (MB a trial). On a machine of one's own a given
    `concurrency` may ask for more CPUs than there are. Leaving disconnects, ends the local Ray and
    restores os.environ.
    Raises EngineError, here or from `ready`.
    """
    options: dict[str, Any] = {
        "include_dashboard": None if address else False,
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    settings = dict(ENVIRONMENT)
    joined = is_connected(address)
    local = address is None and not joined
    with ExitStack() as stack:
        if local:
            settings |= {key: os.environ.get(key, own) for key, own in LOCAL_ENVIRONMENT.items()}
            options |= _local_options(concurrency, cpus_per_trial, gpus_per_trial)
            options["_temp_dir"] = stack.enter_context(temp_folder())
        elif address is not None:
            check_address(address)
            options["address"] = address
        stack.enter_context(environment(settings))
        stack.enter_context(signals())
        stack.enter_context(_ray(local=local))
        needs = cpus_per_trial, gpus_per_trial, memory_per_trial or 0.0
        runtime = Runtime(concurrency, *needs, local=local, joined=joined)
        end = threading.Event()
        holder = threading.Thread(target=runtime.hold, args=(options, end), name="ray")
        holder.start()
        stack.callback(holder.join)
        stack.callback(end.set)
        yield runtime


def is_connected(address: str | None) -> bool:
    """Whether this process has a Ray. Raises EngineError where it has, and is to have another."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    if address is not None:
        raise EngineError(
            "this process is connected to Ray already",
            field="address",
            way_out="leave it out, to use that one, or call ray.shutdown() first",
        )
    return True


@contextmanager
def _ray(*, local: bool) -> Iterator[None]:
    """Ray imported, silent and checked."""
    with ExitStack() as stack:
        for name in ("ray.tune", "ray.widgets.util"):  # importing the latter asks for ipywidgets
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        import ray  # noqa: F401

        from tuner.cluster import ray_internals

        ray_internals.check()
        stack.enter_context(ray_internals.silence())
        if local:
            stack.enter_context(ray_internals.local_start())
        yield

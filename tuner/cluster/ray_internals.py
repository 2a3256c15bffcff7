"""All that tuner takes from the private parts of Ray's core; `check` says what is missing.

Ray 2.60 has no public way to any of these. `tests/cluster/test_ray_internals.py` pins them. What is
taken from Ray Tune stands in `engines/ray_tune/tune_internals.py`.
"""

from __future__ import annotations

import importlib
import shlex
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from tuner.cluster import late_agent
from tuner.errors import EngineError

NODE_S = 30.0
NODE_POLL_S = 0.02
"""How long a starting Ray is waited for, and how often it is looked at."""


CORE: dict[str, tuple[str, ...]] = {
    "ray._private.worker": ("_worker_logs_enabled", "_global_node"),
    "ray._private.ray_constants": ("ENABLE_RAY_CLUSTER",),
    "ray._private.parameter": ("RayParams",),
    "ray._private.node:Node": ("start_api_server", "dead_processes"),
    "ray._private.services": ("get_node", "start_ray_process", "_get_gcs_client_options"),
    "ray._private.utils": ("get_dashboard_dependency_error",),
    "ray._private.state:GlobalState": ("_initialize_global_state", "node_table"),
    "ray.actor:ActorHandle": ("_actor_id",),
    "ray._raylet": ("persist_port",),
    "ray._raylet:AuthenticationTokenLoader": ("instance", "reset_cache"),
}
JOBS: dict[str, tuple[str, ...]] = {
    "ray.dashboard.modules.dashboard_sdk:SubmissionClient": ("_do_request",),
}
"""Where (a module, or a class in it) and which: everything that is used below."""


def check(names: Mapping[str, Collection[str]] = CORE) -> None:
    """Raise EngineError if this version of Ray lacks something that tuner takes from it: of these
    names, which stand by their places."""
    missing = [
        f"{place.replace(':', '.')}.{name}"
        for place, wanted in names.items()
        for name in wanted
        if not _is_there(place, name)
    ]
    if missing:
        raise unfit(f"it lacks {', '.join(missing)}")


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


def id_of(actor: Any) -> str:
    """The id of an actor, by its handle."""
    return str(actor._actor_id.hex())


def ray_version_of(client: Any) -> str:
    """The version of Ray behind the job server of a `JobSubmissionClient`; its own `get_version` is
    the version of an interface."""
    check(JOBS)
    return str(client._do_request("GET", "/api/version").json()["ray_version"])


def died() -> str:
    """The name of a process of the Ray that this process has started, and that has died; or ""."""
    from ray._private import worker

    node: Any = worker._global_node
    dead = node.dead_processes() if node is not None else []
    return next((str(kind) for kind, _ in dead), "")


def unfit(what: str) -> EngineError:
    """The error that says what this version of Ray lacks."""
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
    log monitor and API server cost 1.4 s of CPU at the start, 250 MB, and 1 s at the end, and the
    two agents beside its raylet 2 s and 200 MB (that of runtime environments starts when somebody
    asks it). And it asks for its new node once a second, where
    that is there after half of one.
    """
    from ray._private import node, parameter, ray_constants, services, utils

    cluster = ray_constants.ENABLE_RAY_CLUSTER
    params: Any = parameter.RayParams
    server, get_node = node.Node.start_api_server, services.get_node
    start_process: Any = services.start_ray_process
    ask: Any = utils.get_dashboard_dependency_error

    def get_soon(gcs_address: str, node_id: str) -> Any:
        _wait_for_node(gcs_address, node_id)
        return get_node(gcs_address, node_id)

    def start_alone(command: list[str], *args: Any, **options: Any) -> Any:
        return start_process([_without_agent(word) for word in command], *args, **options)

    forget_token()
    ray_constants.ENABLE_RAY_CLUSTER = False
    services.get_node = get_soon
    vars(services)["start_ray_process"] = start_alone
    # It imports an agent's libraries, to learn whether the agent would find them.
    vars(utils)["get_dashboard_dependency_error"] = lambda: None
    vars(parameter)["RayParams"] = partial(params, no_monitor=True, include_log_monitor=False)
    setattr(node.Node, "start_api_server", lambda self, **options: None)  # noqa: B010
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = cluster
        vars(parameter)["RayParams"] = params
        setattr(node.Node, "start_api_server", server)  # noqa: B010
        services.get_node = get_node
        vars(services)["start_ray_process"] = start_process
        vars(utils)["get_dashboard_dependency_error"] = ask
        forget_token()


DASHBOARD_AGENT = "dashboard_agent_command"
ENVIRONMENT_AGENT = "runtime_env_agent_command"
"""The words that start the two agents of a raylet."""
DASHBOARD_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
ENVIRONMENT_PORT = "runtime_env_agent_port"
"""The ports that the raylet waits for them to tell."""


def _without_agent(word: str) -> str:
    """A word of the raylet's command line; where it starts an agent, what stands in for that.

    The raylet insists on a process beside it, which ends with it as its stdin does. A port of -1
    says, as Ray's minimal installation does, that nobody is there.
    """
    from ray import _raylet

    raylet: Any = _raylet  # compiled: its stubs lack this
    name, _, command = word.lstrip("-").partition("=")
    if name not in (DASHBOARD_AGENT, ENVIRONMENT_AGENT):
        return word
    words = shlex.split(command)
    options = dict(option.lstrip("-").split("=", 1) for option in words if "=" in option)
    folder, node = options["session-dir"], options["node-id"]
    if name == DASHBOARD_AGENT:
        for port in DASHBOARD_PORTS:
            raylet.persist_port(folder, node, port, -1)
        return word.replace(command, "cat")
    port_file = f"{folder}/{ENVIRONMENT_PORT}_{node}"
    late = [sys.executable, "-ISE", late_agent.__file__, port_file, *words]
    return word.replace(command, shlex.join(late))


def forget_token() -> None:
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

"""Whether the nodes of a cluster have this tuner: workers must understand what a driver sends."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import tuner
from tuner.errors import EngineError

WAIT_S = 60.0
"""How long a node may take to say its version; one that takes longer is left to the workers."""


def check_versions(nodes: Collection[Mapping[str, Any]], *, but: str = "") -> None:
    """Raise EngineError for the first living node that has another tuner, or none.

    `but` is the id of a node that is not asked: the driver's own, as a rule.
    """
    asked = {node["NodeManagerAddress"]: _ask(node["NodeID"])
             for node in nodes if node["Alive"] and node["NodeID"] != but}  # fmt: skip
    for host, answer in asked.items():
        theirs = _heard(answer)
        if theirs not in (None, tuner.__version__):
            has = f"has tuner {theirs}" if theirs else "has no tuner"
            raise EngineError(
                f"node {host} {has}, and this is tuner {tuner.__version__}",
                way_out="install the same one on both, or send yours along: tuner submit",
            )


def _ask(node: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def version() -> str:
        """A function within one travels whole: another tuner need not have it."""
        try:
            import tuner
        except ModuleNotFoundError:
            return ""
        return str(tuner.__version__)

    task: Any = ray.remote(num_cpus=0, max_retries=0)(version)
    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return task.options(scheduling_strategy=there).remote()


def _heard(answer: Any) -> str | None:
    import ray

    try:
        return str(ray.get(answer, timeout=WAIT_S))
    except ray.exceptions.RayError:
        return None  # it went meanwhile, or is slow: no reason to refuse a run

"""What a machine or a cluster has to give, and how many workers fit."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

from tuner.errors import EngineError

STORE_SHARE = 0.25
"""What of the free shared memory the object store may take."""

STORE_LEAST = 100 << 20
"""Bytes that it takes at least."""
STORE_MOST = 8 << 30
"""And at most."""


def _local_options(
    concurrency: int | None, cpus_per_trial: float, gpus_per_trial: float
) -> dict[str, Any]:
    cpus = available_cpus()
    if cpus_per_trial > cpus:
        raise EngineError(
            f"{cpus_per_trial:g} CPUs a trial do not fit this machine, which has {cpus}; "
            f"give {cpus} at most, or the address of a cluster"
        )
    wanted = 0 if concurrency is None else math.ceil(concurrency * cpus_per_trial)
    return {
        "address": "local",
        "num_cpus": max(cpus, wanted),
        "num_gpus": None if gpus_per_trial else 0,
        "object_store_memory": _store_memory(),
        "_node_ip_address": "127.0.0.1",
    }


def available_cpus() -> int:
    """The CPUs that this process may use: its affinity, or its container's quota if less."""
    import joblib  # a tenth of a second, which `--help` need not wait for

    return int(joblib.cpu_count())


def fitting(
    nodes: list[dict[str, Any]],
    cpus_per_trial: float,
    gpus_per_trial: float,
    memory_mb: float = 0.0,
) -> int:
    """How many trials fit the nodes. Raises EngineError if none has place for one."""
    slots = count_fitting(nodes, cpus_per_trial, gpus_per_trial, memory_mb)
    if slots == 0:
        asked = _asked(cpus_per_trial, gpus_per_trial, memory_mb)
        there = [node["Resources"] for node in nodes if node["Alive"]]
        needs = " and ".join(_amount(kind, amount) for kind, amount in asked.items())
        most = " and ".join(
            _amount(kind, max((has.get(kind, 0.0) for has in there), default=0.0)) for kind in asked
        )
        raise EngineError(
            f"a trial needs {needs}, and no node has them: the most on one is {most}",
            way_out="lower `cpus_per_trial`, `gpus_per_trial` or `memory_per_trial`",
        )
    return slots


def count_fitting(
    nodes: list[dict[str, Any]],
    cpus_per_trial: float,
    gpus_per_trial: float,
    memory_mb: float = 0.0,
) -> int:
    """How many trials fit the nodes, those with a GPU spared as `gpu_nodes_to_spare` says."""
    spared = gpu_nodes_to_spare(nodes, cpus_per_trial, gpus_per_trial, memory_mb)
    return sum(
        _fit_on(node, cpus_per_trial, gpus_per_trial, memory_mb)
        for node in nodes
        if node["NodeID"] not in spared
    )


def gpu_nodes_to_spare(
    nodes: list[dict[str, Any]],
    cpus_per_trial: float,
    gpus_per_trial: float,
    memory_mb: float = 0.0,
) -> list[str]:
    """The nodes with a GPU, by id, for trials that need none and have place elsewhere; else none.

    They are left to trials that need a GPU.
    """
    has_gpu = [n for n in nodes if n["Alive"] and n["Resources"].get("GPU", 0.0) > 0]
    others = [node for node in nodes if node not in has_gpu]
    elsewhere = any(_fit_on(node, cpus_per_trial, gpus_per_trial, memory_mb) for node in others)
    return sorted(n["NodeID"] for n in has_gpu) if elsewhere and not gpus_per_trial else []


def memory_of_one(
    nodes: list[dict[str, Any]],
    cpus_per_trial: float,
    gpus_per_trial: float,
    memory_mb: float = 0.0,
) -> float:
    """The MB of memory that a trial has on a node that is full of them, where that is least."""
    parts = [math.inf]
    for node in nodes:
        trials = _fit_on(node, cpus_per_trial, gpus_per_trial, memory_mb)
        if trials:
            parts.append(node["Resources"].get("memory", math.inf) / trials / 2**20)
    return min(parts)


def _fit_on(node: dict[str, Any], cpus: float, gpus: float, memory_mb: float) -> int:
    asked = _asked(cpus, gpus, memory_mb)
    has = node["Resources"] if node["Alive"] else {}
    return min(int(has.get(kind, 0.0) / amount + 1e-9) for kind, amount in asked.items())


def _asked(cpus: float, gpus: float, memory_mb: float) -> dict[str, float]:
    wanted = {"CPU": cpus, "GPU": gpus, "memory": memory_mb * 2**20}
    return {kind: amount for kind, amount in wanted.items() if amount} or {"CPU": 1.0}


def _amount(kind: str, amount: float) -> str:
    return f"{amount / 2**20:.0f} MB" if kind == "memory" else f"{amount:g} {kind}s"


def _store_memory() -> int:
    shm = Path("/dev/shm")
    free = shutil.disk_usage(shm).free if shm.is_dir() else 2 << 30
    return min(max(int(free * STORE_SHARE), STORE_LEAST), STORE_MOST)

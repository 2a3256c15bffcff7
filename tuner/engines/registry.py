"""The engines by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from tuner.engines.contract import Engine, Job

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

ENGINES = {
    "ray_tune": "tuner.engines.ray_tune.engine:RayTune",
    "fused": "tuner.engines.fused.engine:Fused",
}
"""Imported when they are asked for: Ray Tune takes half a second, which fused need not wait for."""


def make_engine(name: str, job: Job, cluster: Runtime) -> Engine:
    """The engine of that name for a job; its workers start when it is first used."""
    module, _, attribute = ENGINES[name].partition(":")
    return cast("Engine", getattr(importlib.import_module(module), attribute)(job, cluster))

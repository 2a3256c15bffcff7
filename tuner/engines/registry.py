"""From what `engine=` was given to the engine of a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuner.engines.contract import Engine, Job
from tuner.errors import ExperimentError
from tuner.registry import ENGINES, said

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime


def make_engine(given: str | Engine | Callable[..., Engine], job: Job, cluster: Runtime) -> Engine:
    """The engine of a job: a name's, an object as it is, or what a factory makes of both.

    Its workers start when it is first used. Raises ExperimentError for what cannot be an engine.
    """
    made: Any = ENGINES.find(given) if isinstance(given, str) else given
    if callable(made):
        try:
            inspect.signature(made).bind(job, cluster)
        except (TypeError, ValueError) as error:
            raise _refused(given, f"cannot be called with a job and a cluster ({error})") from None
        made = made(job, cluster)
    for method in ("why_not", "run"):
        if not callable(getattr(made, method, None)):
            raise _refused(given, f"gives a {type(made).__name__}, which has no method {method}")
    engine: Engine = made
    return engine


def _refused(given: Any, what: str) -> ExperimentError:
    return ExperimentError(
        f"{said(given)} {what}",
        field="engine",
        way_out="give a name, an Engine, or a function of a Job and a cluster that makes one",
    )

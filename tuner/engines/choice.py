"""Which engine runs a study, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tuner.engines.contract import Study
from tuner.engines.fused.eligible import Unfit, lanes_of, no_gain, why_not
from tuner.engines.fused.engine import Fused
from tuner.experiment.experiment import Experiment

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime
    from tuner.experiment.loading import Source


@dataclass(frozen=True)
class Chosen:
    """An engine by name, `why` in words, and what runs a study on it.

    `lanes` is the fused engine's lanes a worker; `seconds()` says where its workers' time went.
    """

    name: str
    why: str
    run: Callable[[Study], None]
    lanes: int | None = None
    seconds: Callable[[], dict[str, float]] = dict

    def __str__(self) -> str:
        lanes = "" if self.lanes is None else f", {self.lanes} lanes a worker"
        return f"{self.name}{lanes} ({self.why})"


def choose(experiment: Experiment, runtime: Runtime, source: Source, **given: Any) -> Chosen:
    """The engine that the experiment names; for "auto", fused where every trial can be and gains.

    `given` are the arguments that both engines take. Raises EngineError when Ray cannot start.
    """
    plain = partial(_ray_tune, runtime=runtime, source=source, **given)
    if experiment.engine == "ray_tune":
        return Chosen("ray_tune", "asked for", plain)
    if experiment.engine == "fused":
        lanes = lanes_of(experiment)
        engine = Fused(experiment, runtime, source, **given)
        return Chosen("fused", "asked for", engine.run, lanes, lambda: engine.seconds)
    reason = why_not(experiment, given["dataset"]) or no_gain(experiment)
    if reason is None:
        engine = Fused(experiment, runtime, source, **given)
        try:
            engine.check(gain=True)
        except Unfit as error:
            reason = error.reason
        else:
            why = "its trials are networks of one declaration, which train together"
            return Chosen("fused", why, engine.run, engine.lanes, lambda: engine.seconds)
    return Chosen("ray_tune", reason, plain)


def _ray_tune(study: Study, **given: Any) -> None:
    from tuner.engines.ray_tune import engine  # half a second, which fused need not wait for

    engine.run(study, **given)

"""Which engine runs a study, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuner.engines.contract import Engine, Job, Study
from tuner.engines.fused.eligible import lanes_of
from tuner.engines.registry import make_engine
from tuner.engines.watched import Watched
from tuner.errors import UnfitError
from tuner.registry import said

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime
    from tuner.engines.fused.engine import Fused


@dataclass(frozen=True)
class Chosen:
    """An engine by name, `why` in words, and the engine.

    `lanes` is the fused engine's lanes a worker.
    """

    name: str
    why: str
    engine: Engine
    lanes: int | None = None

    def run(self, study: Study) -> None:
        """Run a study. Raises UnfitError, before anything is asked, where the engine cannot."""
        if study.finished:
            return
        reason = self.engine.why_not()
        if reason is not None:
            raise UnfitError(self.name, reason)
        watched = Watched(study, type(self.engine).__name__)
        self.engine.run(watched)
        watched.check_nothing_lost()

    def seconds(self) -> dict[str, float]:
        """Where the workers' time went, by what they did, as far as the engine tells."""
        seconds: dict[str, float] = getattr(self.engine, "seconds", {})
        return seconds

    def __str__(self) -> str:
        lanes = "" if self.lanes is None else f", {self.lanes} lanes a worker"
        return f"{self.name}{lanes} ({self.why})"


def choose(job: Job, cluster: Runtime) -> Chosen:
    """The engine that the experiment names; for "auto", fused where every trial can be and gains.

    Raises EngineError when Ray cannot start.
    """
    given = job.experiment.engine
    if given != "auto":
        return _chosen(given, "asked for", job, cluster)
    fused = _chosen("fused", "its trials are networks of one declaration, which train together",
                    job, cluster)  # fmt: skip
    engine: Fused = fused.engine  # type: ignore[assignment]
    reason = engine.no_gain()
    return fused if reason is None else _chosen("ray_tune", reason, job, cluster)


def _chosen(given: str | Engine, why: str, job: Job, cluster: Runtime) -> Chosen:
    lanes = lanes_of(job.experiment) if given == "fused" else None
    return Chosen(said(given), why, make_engine(given, job, cluster), lanes)

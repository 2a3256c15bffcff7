"""The fused engine: an actor a CPU, each training many cells as lanes of one program.

The driver gives cells out, takes an epoch's reports of a worker to the study at a time, and sends
the study's decisions with the next call. It decides nothing itself. Declared Keras trainings only:
`Fused.why_not` says, before anything is asked of the study, what lanes cannot train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.engines.ask_ahead import ASK_WAIT_S, Proposals, asks_ahead
from tuner.engines.contract import Job, Study
from tuner.engines.drive import drive
from tuner.engines.duties import Places
from tuner.engines.fused import eligible
from tuner.engines.fused.carrier import LaneCarrier
from tuner.engines.fused.crew import Crew
from tuner.samplers.registry import GRID
from tuner.trial.cells import Cell

if TYPE_CHECKING:
    from tuner.cluster.session import Runtime

LOOKED_AT = 4
"""Points of a space that are built to see whether they make networks of one form."""


class Fused:
    """Trains the cells of a study in lanes; its workers start when they are first needed."""

    def __init__(self, job: Job, cluster: Runtime) -> None:
        self.job = job
        self.cluster = cluster
        self._crew: Crew | None = None
        self._looked = False

    @property
    def crew(self) -> Crew:
        """The workers, which start now if they have not. Raises EngineError when Ray cannot."""
        if self._crew is None:
            self._crew = Crew(self.job, self.cluster)
        return self._crew

    @property
    def seconds(self) -> dict[str, float]:
        """Where the workers' time went, summed over them, by what they did."""
        return {} if self._crew is None else self._crew.seconds

    def why_not(self) -> str | None:
        """Why lanes cannot train this job: told by its fields, or by a point built on a worker."""
        reason = eligible.why_not(self.job.experiment, self.job.dataset)
        if reason is None and not self._looked:
            reason, _ = self.crew.look(1)
        return self._settled(reason)

    def no_gain(self) -> str | None:
        """Why lanes cannot train this job, or would gain nothing."""
        experiment = self.job.experiment
        data = self.job.dataset
        reason = eligible.why_not(experiment, data) or eligible.no_gain(experiment, data)
        if reason is None:
            reason, forms = self.crew.look(LOOKED_AT)
            if reason is None and forms > LOOKED_AT // 2:
                reason = f"{forms} of {LOOKED_AT} of its points are networks of different forms"
        return self._settled(reason)

    def run(self, study: Study) -> None:
        """Run a study until it is finished.

        Raises whatever the study raised. After Ctrl-C, and when the study is finished by a limit,
        the cells in flight are ended and not told.
        """
        depth = self.crew.lanes
        if study.experiment.sampler == GRID:  # all cells are there at once, of each batch size
            depth *= min(eligible.batch_sizes(study.experiment), eligible.MOST_GROUPS)
        carrier = LaneCarrier(self.crew, Places(self.cluster), depth)
        ahead = asks_ahead(study.experiment, self.cluster.concurrency)
        proposals = Proposals(study, ahead=ahead)

        def ask() -> Cell | None:
            cell = proposals.take(ASK_WAIT_S if carrier.busy else None)
            carrier.dry = cell is None and not proposals.thinking
            return cell

        try:
            drive(study, carrier, ask)
            carrier.forget_paused()
            self.crew.leave()
        finally:
            self.kill()
            proposals.close()

    def kill(self) -> None:
        """End the workers."""
        if self._crew is not None:
            self._crew.kill()

    def _settled(self, reason: str | None) -> str | None:
        self._looked = True
        if reason is not None:
            self.kill()
        return reason

"""Every engine of ours keeps every promise; an engine that breaks one is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tuner.cluster.session import Runtime, connect
from tuner.engines.contract import Study
from tuner.engines.fused.engine import Fused
from tuner.engines.ray_tune.engine import RayTune
from tuner.engines.simulated import Simulated, Step, VirtualClock
from tuner.engines.watched import Watched
from tuner.errors import EngineError
from tuner.testing.engines import EngineSuite, Make, WorkersSuite, cells, plain_fit, study_of
from tuner.trial.cells import Cell, Decision, Ending, Outcome


@pytest.fixture(scope="module")
def cluster() -> Iterator[Runtime]:
    with connect(concurrency=2) as runtime:
        yield runtime


def trained(cell: Cell) -> Iterator[Step]:
    """The curve of a cell, trained for it."""
    for epoch, metrics in plain_fit(cell):
        yield Step(epoch, metrics)


class TestSimulated(EngineSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda job: Simulated(trained, workers=2, clock=VirtualClock())


class TestRayTune(WorkersSuite):
    @pytest.fixture
    def make(self, cluster: Runtime) -> Make:
        return lambda job: RayTune(job, cluster)


class TestFused(WorkersSuite):
    @pytest.fixture
    def make(self, cluster: Runtime) -> Make:
        return lambda job: Fused(job, cluster)


# ---------------------------------------------------------------------- engines that break them


class Forgets:
    """Carries every other cell."""

    def run(self, study: Study) -> None:
        forget = False
        while (cell := study.ask()) is not None:
            if not forget:
                study.report(cell, 1, {"val_loss": 0.0}, 0.0)
                study.tell(cell, Outcome(Ending.FINISHED))
            forget = not forget


class TellsTwice:
    def run(self, study: Study) -> None:
        while (cell := study.ask()) is not None:
            study.tell(cell, Outcome(Ending.FINISHED))
            study.tell(cell, Outcome(Ending.FINISHED))


class IgnoresStops:
    def run(self, study: Study) -> None:
        while (cell := study.ask()) is not None:
            for epoch in (1, 2):
                study.report(cell, epoch, {"val_loss": 0.0}, 0.0)
            study.tell(cell, Outcome(Ending.FINISHED))


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Forgets(), r"engine Forgets lost 2 cells: trial 1, fold 0, trial 3, fold 0;"),
        (
            TellsTwice(),
            r"engine TellsTwice told the end of trial 0, fold 0, which it does not hold",
        ),
        (IgnoresStops(), r"engine IgnoresStops reported epoch 2 of trial 0, fold 0 after it was"),
    ],
)
def test_an_engine_that_breaks_a_promise_is_found_by_name(engine: Any, message: str) -> None:
    study = study_of(cells(4), decide=lambda cell, epoch, metrics: Decision.STOP)
    watched = Watched(study, type(engine).__name__)

    def carried() -> None:
        engine.run(watched)
        watched.check_nothing_lost()

    with pytest.raises(EngineError, match=message):
        carried()

"""What trains is forked for its actor, replaced when it dies, and the actor's own where need be."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import psutil
import pytest

from tests.engines.jobs import job
from tuner.cluster.session import Runtime, connect
from tuner.engines.duties import say_not_forked
from tuner.engines.fused.engine import Fused
from tuner.engines.process import Here, Processes
from tuner.engines.ray_tune.engine import RayTune
from tuner.engines.shipping import shipment
from tuner.forks import start
from tuner.forks.folder import NAMED, own_folder
from tuner.testing.engines import METRIC, NETWORK, digits
from tuner.testing.engines import cells as network_cells
from tuner.testing.scripted import ScriptedStudy
from tuner.trial.cells import Cell, Decision, Ending

TRAINER = "tuner-trainer"


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with connect(concurrency=1) as connected:
        yield connected


def who(trial: Any) -> None:
    """Reports its process, and the server that has forked it."""
    for epoch in (1, 2):
        trial.report(epoch, {"v": 0.0, "pid": os.getpid(), "parent": os.getppid()})


def cells(count: int) -> list[Cell]:
    return [Cell(i, 1, 0, {"i": i}, seed=i, epochs=2) for i in range(count)]


def actors() -> set[psutil.Process]:
    found = set()
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if one.name().startswith("ray::Worker"):
                found.add(one)
    return found


def pids(study: ScriptedStudy) -> list[set[float]]:
    return [{metrics["pid"] for _, metrics in of} for _, of in sorted(study.reports.items())]


def test_a_killed_trainer_is_replaced_and_its_actor_lives(runtime: Runtime) -> None:
    seen: list[set[psutil.Process]] = []

    def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
        seen.append(actors())
        if cell.trial == 1:
            os.kill(int(metrics["pid"]), signal.SIGKILL)
        return Decision.CONTINUE

    study = ScriptedStudy(who, cells(3), decide=decide)
    RayTune(job(study), runtime).run(study)
    assert [(cell.trial, outcome.ending) for cell, outcome in study.told] == [
        (0, Ending.FINISHED), (1, Ending.DIED), (2, Ending.FINISHED)
    ]  # fmt: skip
    assert "signal SIGKILL" in (study.told[1][1].error or "")
    (first,), (second,), (third,) = pids(study)
    assert first == second != third
    assert len(set.intersection(*seen)) == 1
    parents = {m["parent"] for of in study.reports.values() for _, m in of}
    assert len(parents) == 1


@pytest.mark.parametrize("engine", [RayTune, Fused])
def test_a_trainer_that_went_with_its_server_has_died_and_is_not_late(
    runtime: Runtime, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next server is held up until that has been told: it imports TensorFlow again."""
    monkeypatch.delenv(NAMED, raising=False)  # other tests' trainers stay
    held = ExitStack()

    def kill_server(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
        if epoch > 1:  # said already as the trainer died
            return Decision.CONTINUE
        folder = str(own_folder())
        for path in own_folder().glob("*.sock"):
            held.enter_context(start.locked(path))
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() != TRAINER and folder in " ".join(process.cmdline()[3:]):
                    process.kill()
        return Decision.CONTINUE

    def let_on(event: str, cell: Cell) -> None:
        if event == "tell":
            held.close()

    study = ScriptedStudy(
        NETWORK, network_cells(1, epochs=50),
        metric=METRIC, decide=kill_server, hear=let_on, trial_timeout=20.0,
    )  # fmt: skip
    engine(job(study, digits()), runtime).run(study)
    assert [(cell.trial, outcome.ending) for cell, outcome in study.told] == [(0, Ending.DIED)]


def test_isolated_trials_have_a_process_each_and_keep_it_while_they_are_paused(
    runtime: Runtime,
) -> None:
    study = ScriptedStudy(
        who,
        cells(3),
        decide=lambda cell, epoch, _: Decision.PAUSE if epoch == 1 else Decision.CONTINUE,
        isolate=True,
    )
    RayTune(job(study), runtime).run(study)
    assert [len(of) for of in study.reports.values()] == [2, 2, 2]
    assert [len(one) for one in pids(study)] == [1, 1, 1]
    assert len(set.union(*pids(study))) == 3


def test_the_actor_of_a_keras_training_imports_neither_keras_nor_tensorflow(
    runtime: Runtime,
) -> None:
    mapped: set[str] = set()

    def decide(cell: Cell, epoch: int, metrics: Mapping[str, float]) -> Decision:
        for actor in actors():
            mapped.update(one.path for one in actor.memory_maps())
        return Decision.CONTINUE

    todo = network_cells(1, epochs=1)
    study = ScriptedStudy(NETWORK, todo, metric=METRIC, decide=decide)
    RayTune(job(study, digits()), runtime).run(study)
    assert [outcome.ending for _, outcome in study.told] == [Ending.FINISHED]
    assert any("_raylet" in path for path in mapped)
    assert not [path for path in mapped if "tensorflow" in path]


class Made:
    """What stands in a trainer's process."""

    def __init__(self, shipped: Any, dataset: Any, host: str) -> None:
        self.host = host

    def pid(self) -> int:
        return os.getpid()


def test_where_nothing_can_be_forked_the_actor_trains_by_itself(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipment(job(ScriptedStudy(who, cells(1))), runtime)
    forked = Processes(f"{__name__}:Made", shipped, None)
    trainer = forked.new()
    assert trainer.call("pid") != os.getpid()
    trainer.end()
    assert forked.here == ""
    monkeypatch.setattr(start, "why_not", lambda: "this is a test")
    alone = Processes(f"{__name__}:Made", shipped, None)
    trainer = alone.new()
    assert isinstance(trainer, Here)
    assert trainer.call("pid") == os.getpid()
    assert alone.here == "this is a test"
    with pytest.warns(UserWarning, match="trainers are not forked, since this is a test"):
        say_not_forked(alone.here)

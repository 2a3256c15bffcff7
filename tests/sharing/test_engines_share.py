"""Both engines give slots back to a study that comes, and take them again when it has gone."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines.jobs import job
from tests.sharing.local_ray import local_ray, until
from tuner.cluster.session import Runtime, connect
from tuner.data.datasets import load as load_dataset
from tuner.engines.registry import make_engine
from tuner.experiment.experiment import KerasModel
from tuner.sharing.lease import Lease, Progress, Wish
from tuner.testing.scripted import ScriptedStudy, cells
from tuner.trial.cells import Ending

CPUS = 2


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    yield from local_ray(CPUS)


def lease(study: str, wanted: int, progress: Callable[[], Progress] = Progress) -> Lease:
    wish = Wish(study, study, {"CPU": 1.0}, alone=CPUS)
    made = Lease(wish, wanted=wanted, say=lambda line: None, progress=progress)
    made.start()
    return made


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    """A run on the shared cluster, of a study that could use all of it."""
    with connect() as connected:
        connected.ready()
        connected.lease = lease("first", 99)
        until(lambda: connected.lease is not None and connected.lease.allowed == CPUS)
        yield connected
        connected.lease.close()


def carried_beside_a_newcomer(engine: str, study: ScriptedStudy, runtime: Runtime) -> list[int]:
    """Run a study; once it trains another comes, gets its half, and leaves. How many slots the
    first one held before, meanwhile and afterwards."""
    first, held = runtime.lease, list[int]()
    assert first is not None
    total = len(study.todo)
    first.progress = lambda: Progress(len(study.told), total, "", total - len(study.told))

    def come_and_go() -> None:
        until(lambda: first.held == CPUS and study.reports)
        held.append(first.held)
        newcomer = lease("second", 99)
        until(lambda: newcomer.allowed == CPUS // 2)
        held.append(first.held)
        newcomer.tell(CPUS // 2, 99)
        newcomer.close()
        until(lambda: first.held == CPUS or study.finished)
        held.append(first.held)

    other = threading.Thread(target=come_and_go)
    other.start()
    make_engine(engine, job(study, load_dataset("digits")), runtime).run(study)
    other.join()
    assert Counter(cell.trial for cell, _ in study.told) == Counter(range(total))
    assert {outcome.ending for _, outcome in study.told} == {Ending.FINISHED}
    assert study.again == 0  # no epoch was trained twice
    return held


def test_ray_tune_gives_half_of_its_workers_to_a_newcomer_and_no_trial_is_lost(
    runtime: Runtime, tmp_path: Path
) -> None:
    log = tmp_path / "trained"

    def train(trial: Any) -> None:
        with log.open("a") as file:
            print(trial.number, os.getpid(), file=file)
        time.sleep(0.25)
        trial.report(1, {"v": float(trial.number)})

    study = ScriptedStudy(train, cells(40))
    assert carried_beside_a_newcomer("ray_tune", study, runtime) == [CPUS, CPUS // 2, CPUS]
    trained = [line.split() for line in log.read_text().splitlines()]
    assert sorted(int(number) for number, _ in trained) == list(range(40))
    assert len({pid for _, pid in trained}) <= CPUS + CPUS // 2  # who went was started again, once


def network(trial: Any) -> Any:
    import keras

    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(0.01 * (1 + trial["i"]))


def test_lanes_move_with_their_weights_and_the_numbers_stay_the_same(runtime: Runtime) -> None:
    declared = KerasModel(build=network, optimizer=sgd, batch_size=64)

    def studied() -> ScriptedStudy:
        todo = [replace(cell, epochs=40) for cell in cells(8)]
        fields: dict[str, Any] = {"metric": "val_loss", "direction": "minimize", "lanes": 2}
        return ScriptedStudy(declared, todo, **fields)

    moved = studied()
    before, meanwhile, _ = carried_beside_a_newcomer("fused", moved, runtime)
    assert (before, meanwhile) == (CPUS, CPUS // 2)
    alone = studied()
    with connect(concurrency=1) as small:
        make_engine("fused", job(alone, load_dataset("digits")), small).run(alone)
    for trial, reports in alone.reports.items():
        found = [metrics["val_loss"] for _, metrics in moved.reports[trial]]
        assert found == pytest.approx([m["val_loss"] for _, m in reports], rel=1e-4)

"""A run of the same objective in a Ray that is kept takes over the last one's trainers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tuner.cluster.kept import kept_ray
from tuner.cluster.session import Runtime
from tuner.data.splits import Splits
from tuner.engines.contract import Engine, Job
from tuner.engines.fused.engine import Fused
from tuner.engines.ray_tune.engine import RayTune
from tuner.engines.shipping import shipment
from tuner.forks import start
from tuner.testing.engines import NETWORK, cells, job_of, study_of, values
from tuner.testing.scripted import ScriptedStudy

pytestmark = pytest.mark.skipif(start.why_not() is not None, reason="nothing is forked here")
Made = Callable[[Job, Runtime], Engine]
ENGINES = pytest.mark.parametrize("engine", [RayTune, Fused])


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with kept_ray() as via, via(1, 1.0, address=None) as connected:
        yield connected


def run(engine: Made, runtime: Runtime, seed: int, **more: Any) -> ScriptedStudy:
    study = study_of([replace(cell, seed=cell.seed + seed) for cell in cells(3)], **more)
    engine(replace(job_of(study), splits=Splits(seed=seed)), runtime).run(study)
    return study


def workers(study: ScriptedStudy) -> set[str]:
    return {outcome.worker for _, outcome in study.told}


@ENGINES
def test_the_run_after_a_search_has_its_trainers_and_the_numbers_of_new_ones(
    engine: Made, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = run(engine, runtime, seed=0, confirm=2)
    after = run(engine, runtime, seed=1)
    assert workers(after) == workers(search)
    with monkeypatch.context() as patch:
        patch.setattr(runtime, "kept_as", "")
        fresh = run(engine, runtime, seed=1)
    assert not workers(fresh) & workers(search)
    assert values(after) == values(fresh)
    assert values(after) != values(search)


@ENGINES
def test_without_a_confirmation_nothing_is_left(engine: Made, runtime: Runtime) -> None:
    search = run(engine, runtime, seed=0)
    assert not workers(run(engine, runtime, seed=1)) & workers(search)


def test_a_trainer_serves_its_own_objective_alone(runtime: Runtime) -> None:
    study = study_of(cells(1), confirm=2)
    job = job_of(study)
    name = shipment(job, runtime).name
    assert name == shipment(job, runtime).name != ""
    other = replace(job.experiment, objective=replace(NETWORK, batch_size=16))
    assert shipment(replace(job, experiment=other), runtime).name not in ("", name)
    alone = shipment(replace(job, experiment=replace(job.experiment, isolate=True)), runtime)
    assert (alone.name, alone.leaves) == ("", False)

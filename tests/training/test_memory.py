"""Memory: a worker that held more than a trial may is replaced; what cannot fit is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner.cluster.resources import count_fitting, fitting
from tuner.engines.worker_death import cause_of_death
from tuner.errors import EngineError


def note(trial: Any) -> float:
    with Path(os.environ["PIDS"]).open("a") as file:
        print(os.getpid(), file=file)
    return float(trial["x"])


@pytest.mark.parametrize(("limit", "workers"), [(1.0, 4), (8000.0, 1)])
def test_a_worker_above_its_memory_is_replaced_after_its_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, workers: int
) -> None:
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    experiment = tuner.Experiment(
        name="memory", space={"x": tuner.Float(0, 1)}, objective=note, metric="x",
        direction="maximize",
        sampler="random", scheduler="none", trials=4, dataset=None, concurrency=1,
    )  # fmt: skip
    results = tuner.run(experiment, results=tmp_path, memory_per_trial=limit)
    assert results.trials["state"].tolist() == ["COMPLETE"] * 4
    assert results.trials["attempt"].tolist() == [1] * 4
    assert len(set((tmp_path / "pids").read_text().split())) == workers


NODE = {"NodeID": "a", "Alive": True, "Resources": {"CPU": 8.0, "memory": 10_000 * 2.0**20}}


def test_as_many_trials_run_as_have_memory() -> None:
    assert count_fitting([NODE], 1, 0, 3000) == 3
    with pytest.raises(EngineError, match=r"needs 1 CPUs and 20000 MB, .* 8 CPUs and 10000 MB;"):
        fitting([NODE], 1, 0, 20_000)


def test_a_death_for_memory_is_named() -> None:
    low = """ray.exceptions.OutOfMemoryError: 1 worker(s) were killed due to the node running low on
    memory. Memory on the node (IP: 192.0.2.2, ID: d6ba) was 22.81GB used / 23.54GB limit (0.969)"""
    assert cause_of_death(low) == (
        "the worker was killed for memory: 22.81GB used / 23.54GB limit, on its node"
    )

"""A worker that hangs, stopped as by SIGSTOP, is ended by --trial-timeout, and named so."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import tuner


def hang(trial: Any) -> float:
    """Trial 3 stops its own process, on a worker that others have warmed."""
    if trial.number == 3:
        os.kill(os.getpid(), signal.SIGSTOP)
    return float(trial["x"])


def test_a_worker_that_hangs_is_ended_and_only_its_trial_fails(
    tmp_path: Path, ends_orphans: None
) -> None:
    experiment = tuner.Experiment(
        name="hang", space={"x": tuner.Float(0, 1)}, objective=hang, metric="x", dataset=None,
        direction="maximize",
        sampler="random", scheduler="none", trials=6, concurrency=1,
    )  # fmt: skip
    trials = tuner.run(experiment, results=tmp_path, trial_timeout=1.0).trials
    assert trials.loc[3, "state"] == "FAILED"
    assert trials.loc[3, "error"] == "the trial ran longer than its trial_timeout of 1 s"
    assert set(trials["state"].drop(3)) == {"COMPLETE"}
    assert trials["attempt"].tolist() == [1] * 6

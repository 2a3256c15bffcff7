"""A trial that hangs, however, is ended by --trial-timeout; what a trial started ends with it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil

import tuner

BLOCKS = ("imports", "computes", "stopped")


def hang(trial: Any, folder: Path) -> float:
    """Hangs in a module's import, in C code that keeps the interpreter's lock, or as a process that
    was stopped; each with a process of its own, which has another."""
    kind = trial["kind"]
    child = subprocess.Popen(["sh", "-c", "sleep 1000 & wait"])
    (folder / kind).write_text(f"{child.pid} {psutil.Process(child.pid).create_time()}")
    if kind == "imports":
        sys.path.insert(0, str(folder))
        __import__("never_imported")
    elif kind == "computes":
        ctypes.PyDLL(None).sleep(1000)
    elif kind == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    return 1.0


def test_a_trial_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, ends_orphans: None
) -> None:
    (tmp_path / "never_imported.py").write_text("import time\ntime.sleep(1000)\n")
    experiment = tuner.Experiment(
        name="hang", space={"kind": tuner.Categorical([*BLOCKS, "leaves", "fine"])},
        objective=partial(hang, folder=tmp_path), metric="x", dataset=None, direction="maximize",
        mode="grid", concurrency=1, trial_timeout=3.0,
    )  # fmt: skip
    trials = tuner.run(experiment, results=tmp_path).trials.set_index("param_kind")
    assert set(trials.loc[list(BLOCKS), "state"]) == {"FAILED"}
    assert set(trials.loc[list(BLOCKS), "error"]) == {
        "the trial ran longer than its trial_timeout of 3 s"
    }
    assert set(trials.loc[["leaves", "fine"], "state"]) == {"COMPLETE"}
    assert set(trials["attempt"]) == {1}
    for kind in trials.index:
        pid, began = (tmp_path / kind).read_text().split()
        assert not _lives(int(pid), float(began)), kind


def _lives(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == began and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

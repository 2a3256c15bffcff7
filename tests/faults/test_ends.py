"""A trial that hangs, however, is ended by --trial-timeout; what a trial started ends with it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
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


def build(trial: Any) -> Any:
    """A network, or none ever."""
    import keras

    if trial["kind"] == "hangs":
        time.sleep(1000)
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])


def sgd(trial: Any) -> Any:
    import keras

    return keras.optimizers.SGD(0.1)


def test_a_network_that_is_never_built_ends_its_own_trial_on_the_engine_that_looks_at_it_first(
    tmp_path: Path, ends_orphans: None
) -> None:
    experiment = tuner.Experiment(
        name="hang", space={"kind": tuner.Categorical(["hangs", "fine"]), "epochs": 1},
        objective=tuner.KerasModel(build=build, optimizer=sgd), dataset="digits", mode="grid",
        engine="fused", concurrency=1, trial_timeout=3.0,
    )  # fmt: skip
    trials = tuner.run(experiment, results=tmp_path).trials.set_index("param_kind")
    assert trials["state"].to_dict() == {"hangs": "FAILED", "fine": "COMPLETE"}
    assert trials["error"]["hangs"] == "the trial ran longer than its trial_timeout of 3 s"


def build_once(trial: Any, folder: Path) -> Any:
    """Raises for trial 1 as it is built the second time: to keep its weights."""
    built = folder / str(trial.number)
    if trial.number == 1 and built.exists():
        raise MemoryError("no memory is left")
    built.touch()
    return build(trial)


def test_a_network_that_cannot_be_built_again_to_be_kept_ends_its_own_trial(
    tmp_path: Path, ends_orphans: None
) -> None:
    experiment = tuner.Experiment(
        name="again", space={"kind": tuner.Categorical(["a", "b", "c"]), "epochs": 2},
        objective=tuner.KerasModel(build=partial(build_once, folder=tmp_path), optimizer=sgd),
        dataset="digits", mode="grid", engine="fused", concurrency=1, retries=0,
    )  # fmt: skip
    trials = tuner.run(experiment, results=tmp_path / "results").trials
    assert trials["state"].tolist() == ["COMPLETE", "FAILED", "COMPLETE"]
    assert "MemoryError: no memory is left" in trials["error"][1]


def _lives(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == began and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

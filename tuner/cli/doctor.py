"""`tuner doctor`: what this machine has, what it lacks, and the way out, a line each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import cache_from_source, find_spec
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from tuner.cluster.resources import available_cpus
from tuner.errors import EngineError

GIGABYTE = 2**30
FOR_USERS = (
    "gpu",
    "dashboard",
    "cluster",
    "gp",
    "png",
    "tensorboard",
    "mlflow",
    "wandb",
    "postgresql",
)
"""The extras that bring what some searches need."""
TRIAL_GB = 0.7
"""What a worker holds that has imported TensorFlow and trained a small network."""
ASK_TENSORFLOW = """
import json, time
started = time.perf_counter()
import keras, tensorflow
seconds = time.perf_counter() - started
from tuner.programs.fit import internals_changed
print(json.dumps([seconds, keras.backend.backend(), internals_changed()]))
"""
"""Prints the seconds of the import, Keras' backend, and why programs can't work with these."""


class Health(StrEnum):
    """How it stands: fine; a search goes on without it; no search will run."""

    FINE = "fine"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """A line of the doctor's: what was looked at, what it is, and what to do about it."""

    what: str
    health: Health
    said: str
    way_out: str = ""


def findings(results: Path) -> Iterator[Finding]:
    """Look at this machine, in the order of what the next thing needs.

    `results` is the folder in which studies are to lie.
    """
    for look in (python, packages, cpus, memory, gpu):
        yield from look()
    yield from folder(results)
    yield from tensorflow()
    yield from ray()
    yield from extras()


def python() -> Iterator[Finding]:
    """The version of Python."""
    version = sys.version_info
    fine = (3, 11) <= version[:2] <= (3, 13)
    said = ".".join(map(str, version[:3]))
    out = "" if fine else "tuner is tested on 3.11 to 3.13"
    yield Finding("Python", Health.FINE if fine else Health.NOTE, said, out)


def packages() -> Iterator[Finding]:
    """The packages that every search needs, and their versions."""
    for needed in _required():
        found = version_of(needed.name)
        if found is None or not needed.specifier.contains(found, prereleases=True):
            said = f"{found or 'absent'}, and tuner needs {needed.specifier}"
            yield Finding(needed.name, Health.FAULT, said, f"pip install '{needed}'")
    main = ("tuner", "ray", "optuna", "tensorflow", "keras")
    said = ", ".join(f"{name} {version_of(name)}" for name in main)
    yield Finding("packages", Health.FINE, said)


def version_of(name: str) -> str | None:
    """The installed version of a package; None where it is absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpus() -> Iterator[Finding]:
    """The cores that this process may use."""
    mine, all_of_them = available_cpus(), os.cpu_count() or 1
    said = f"{mine} of {all_of_them}: so many trials run at a time"
    out = "" if mine > 1 else "a search of small networks gains from every core that it is given"
    yield Finding("CPUs", Health.FINE if mine > 1 else Health.NOTE, said, out)


def memory() -> Iterator[Finding]:
    """What is free, against what a trial on every core takes."""
    free, wanted = psutil.virtual_memory().available / GIGABYTE, available_cpus() * TRIAL_GB
    fine = free > wanted
    out = "" if fine else f"--concurrency {max(1, int(free / TRIAL_GB))}, or --memory-per-trial"
    yield Finding("memory", Health.FINE if fine else Health.NOTE, f"{free:.1f} GB free", out)


def gpu() -> Iterator[Finding]:
    """The GPUs that the driver names, and whether TensorFlow has what it needs for them."""
    asked = shutil.which("nvidia-smi")
    listed = subprocess.run([asked, "-L"], capture_output=True, text=True) if asked else None
    there = listed.stdout.splitlines() if listed and listed.returncode == 0 else []
    if not there:
        yield Finding("GPU", Health.FINE, "none seen: trials train on CPUs")
    elif version_of("nvidia-cublas-cu12") or version_of("nvidia-cublas"):
        yield Finding("GPU", Health.FINE, f"{there[0]}; --gpus-per-trial 0.5 shares it")
    else:
        yield Finding("GPU", Health.NOTE, there[0], "pip install 'tuner[gpu]'")


def folder(results: Path) -> Iterator[Finding]:
    """Whether studies can be written, and on what."""
    here = results.expanduser().absolute()
    there = next(place for place in (here, *here.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        out = "--results another folder"
        yield Finding("results", Health.FAULT, f"{there}: {error.strerror}", out)
        return
    free = shutil.disk_usage(there).free / GIGABYTE
    said = f"{there}, {free:.0f} GB free"
    out = "" if free > 1 else "a full disk ends a run; make place"
    yield Finding("results", Health.FINE if free > 1 else Health.NOTE, said, out)


def tensorflow() -> Iterator[Finding]:
    """Whether TensorFlow can be imported, how long that takes, and whether programs work with it.

    In a process of its own, which an illegal instruction may end.
    """
    asked = subprocess.run(
        [sys.executable, "-c", ASK_TENSORFLOW],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if asked.returncode != 0:
        last = (asked.stderr.strip().splitlines() or [f"it ended with {asked.returncode}"])[-1]
        yield Finding("TensorFlow", Health.FAULT, last, "pip install --force-reinstall tensorflow")
        return
    seconds, backend, changed = json.loads(asked.stdout.splitlines()[-1])
    said = f"imported in {seconds:.1f} s, Keras on {backend}"
    if changed:
        out = "every training goes to Keras' own fit, and is slower"
        yield Finding("TensorFlow", Health.NOTE, f"{said}; {changed}", out)
    elif not _is_compiled("tensorflow"):
        out = "python -m compileall its folder once: every worker compiles all of it anew"
        yield Finding("TensorFlow", Health.NOTE, said, out)
    else:
        yield Finding("TensorFlow", Health.FINE, said)


def _is_compiled(package: str) -> bool:
    """Whether the package's Python lies there as bytecode."""
    spec = find_spec(package)
    return spec is not None and Path(cache_from_source(spec.origin or "")).is_file()


def ray() -> Iterator[Finding]:
    """Whether Ray starts here."""
    from tuner.cluster.session import connect

    try:
        with connect(concurrency=1) as runtime:
            runtime.ready()
    except EngineError as error:
        yield Finding("Ray", Health.FAULT, error.message, error.way_out)
    else:
        yield Finding("Ray", Health.FINE, "starts and ends on 127.0.0.1")


def extras() -> Iterator[Finding]:
    """What only some searches need, and what brings it."""
    for extra in FOR_USERS:
        lacking = [
            needed.name
            for needed in _required(extra)
            if needed.marker is not None and version_of(needed.name) is None
        ]
        if lacking and extra != "gpu":
            out = f"pip install 'tuner[{extra}]'"
            yield Finding(extra, Health.NOTE, f"optional, without {', '.join(lacking)}", out)
    if version_of("kaleido") and not any(map(shutil.which, ("chromium", "google-chrome"))):
        out = "install Chromium, for `report --png`"
        yield Finding("png", Health.NOTE, "optional, without Chrome or Chromium", out)


def _required(extra: str = "") -> Iterator[Requirement]:
    """What tuner needs here, and with it what an extra brings; only that has a marker."""
    for text in metadata.requires("tuner") or []:
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield needed

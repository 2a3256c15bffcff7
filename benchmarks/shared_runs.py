"""Runs of `benchmarks.sharing`: drivers on a local Ray of 8 logical CPUs, and what was seen."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.shared_driver import LOG

CPUS = 8
SECONDS = (0.2, 2.0)
"""A trial sleeps for a time between these."""
LIMIT_S = 900.0
SAMPLE_S = 0.25

Driver = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Study:
    """A driver: its trials, its weight, and how long after the first trial of all it starts (None:
    at once)."""

    name: str
    trials: int
    after_s: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Sample:
    """What the broker said at a moment: by study, slots held and slots wanted."""

    at: float
    held: dict[str, int]
    wanted: dict[str, int]


@dataclass
class Run:
    """What was seen of a run, also while it goes on."""

    studies: list[Study]
    lines: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def of(self, what: str, study: str | None = None) -> list[dict[str, Any]]:
        """The lines of a kind."""
        return [x for x in self.lines if x["what"] == what and study in (None, x["study"])]

    def between(self, study: str, since: str, until: str) -> float:
        """Seconds of a study from "connected" to "joined" (it may hold a slot) or "trial"."""
        return self._first(study, until) - self._first(study, since)

    def _first(self, study: str, what: str) -> float:
        found = self.of(what, study)
        if not found:
            raise RuntimeError(f"{study} has no {what!r}: its driver did not come so far")
        return min(float(line.get("began", line["t"])) for line in found)

    def waits(self) -> list[float]:
        """By study, from its driver's connection to its first trial."""
        return [self.between(study.name, "connected", "trial") for study in self.studies]

    @property
    def span_s(self) -> float:
        """From the first connection to the last trial's end."""
        return max(x["t"] for x in self.of("trial")) - min(x["t"] for x in self.of("connected"))

    @property
    def starts(self) -> int:
        """How many workers trained something."""
        return len({line["pid"] for line in self.of("trial")})

    def busy(self, since: float, until: float) -> float:
        """The part of the slots that trained, on average between two moments."""
        spans = [(line["began"], line["t"]) for line in self.of("trial")]
        inside = sum(max(0.0, min(b, until) - max(a, since)) for a, b in spans)
        return inside / (until - since) / CPUS

    def busy_in_the_middle(self) -> float:
        """The same, between the first and the last tenth of the trials' ends."""
        ends = sorted(line["t"] for line in self.of("trial"))
        return self.busy(ends[len(ends) // 10], ends[-1 - len(ends) // 10])

    def crowd(self) -> list[Sample]:
        """The samples at which every study wanted as much as there is, each having held some."""
        begun, found = set[str](), []
        for sample in self.samples:
            begun |= {name for name, count in sample.held.items() if count}
            wants = [count >= CPUS for count in sample.wanted.values()]
            if len(begun) == len(wants) == len(self.studies) and all(wants):
                found.append(sample)
        return found

    def crowd_s(self) -> float:
        """How long the crowd has lasted."""
        crowd = self.crowd()
        return crowd[-1].at - crowd[0].at if crowd else 0.0

    def share(self, study: Study) -> tuple[float, float]:
        """The slots that it held on average in the crowd, and those that its weight is worth."""
        held = [sample.held[study.name] for sample in self.crowd()]
        fair = CPUS * study.weight / sum(one.weight for one in self.studies)
        return sum(held) / len(held), fair

    def off_at_most(self, study: Study) -> float:
        """How far from its share it was, in slots, at 19 of 20 moments of the crowd."""
        _, fair = self.share(study)
        off = sorted(abs(sample.held[study.name] - fair) for sample in self.crowd())
        return off[int(0.95 * (len(off) - 1))]

    def held(self) -> float:
        """The part of the wanted slots that was held in the crowd."""
        held = [min(CPUS, sum(sample.held.values())) for sample in self.crowd()]
        return sum(held) / len(held) / CPUS

    def lost_and_twice(self) -> tuple[int, int]:
        """How many trials never trained, and how many trained more than once."""
        ran = [(line["study"], line["trial"]) for line in self.of("trial")]
        return sum(study.trials for study in self.studies) - len(set(ran)), len(ran) - len(set(ran))

    def driver_cpu_s(self) -> float:
        """CPU seconds of a driver, its imports among them, for each of its trials."""
        spent = sum(float(line["cpu_s"]) for line in self.of("done"))
        return spent / sum(study.trials for study in self.studies)


class Live:
    """A run that goes on: its drivers, and what has been seen so far."""

    def __init__(self, studies: list[Study], address: str, folder: Path, *, broker: bool) -> None:
        self.run = Run(studies)
        self.drivers: dict[str, Driver] = {}
        self._todo = list(studies)
        self._address, self._folder, self._broker = address, folder, broker
        self._began, self._read = time.time(), 0

    def until(self, what: Callable[[], Any]) -> float:
        """Let the run go on until something is so; the moment at which it was."""
        while not what():
            if time.time() - self._began > LIMIT_S:
                raise RuntimeError(f"after {LIMIT_S:.0f} s the studies are not so far")
            for name, driver in self.drivers.items():
                if driver.poll() not in (None, 0, -signal.SIGKILL):
                    raise RuntimeError(f"the driver of {name} ended with {driver.returncode}")
            self._start_those_due()
            time.sleep(0.05)
            self._read_lines()
        return time.time()

    def let_pass(self, seconds: float) -> None:
        """Let the run go on for a while."""
        end = time.time() + seconds
        self.until(lambda: time.time() >= end)

    def ended(self) -> bool:
        """Whether every driver has come and gone."""
        return not self._todo and all(one.poll() is not None for one in self.drivers.values())

    def end(self) -> None:
        """End the drivers as Ctrl-C does."""
        for driver in self.drivers.values():
            driver.send_signal(signal.SIGTERM)
        for driver in self.drivers.values():
            driver.wait()

    def _start_those_due(self) -> None:
        trained = self.run.of("trial")
        for study in list(self._todo):
            after_s = study.after_s
            if after_s is None or (trained and time.time() >= trained[0]["began"] + after_s):
                self._todo.remove(study)
                self.drivers[study.name] = self._driver(study)

    def _driver(self, study: Study) -> Driver:
        conf = {
            "study": study.name, "trials": study.trials, "seconds": SECONDS,
            "weight": study.weight, "user": study.name.lower(), "broker": self._broker,
            "address": self._address, "results": str(self._folder / "results"),
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.shared_driver", json.dumps(conf)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _read_lines(self) -> None:
        with Path(os.environ[LOG]).open("ab+") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        self.run.lines += map(json.loads, whole.splitlines())


@contextmanager
def cluster() -> Iterator[tuple[str, Path]]:
    """A local Ray with this process connected; its address, and a folder."""
    import ray

    folder = Path(tempfile.mkdtemp(prefix="shr", dir="/tmp"))
    os.environ[LOG] = str(folder / "log.jsonl")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    ray.init(
        address="local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR, _temp_dir=str(folder / "r"), object_store_memory=200 << 20,
    )  # fmt: skip
    try:
        yield ray.get_runtime_context().gcs_address, folder
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def carried(
    studies: list[Study], *, broker: bool = True, conduct: Callable[[Live], None] | None = None
) -> Run:
    """Run the studies to their ends, or to the end of `conduct`, which may do things to them."""
    over = threading.Event()
    with cluster() as (address, folder):
        live = Live(studies, address, folder, broker=broker)
        sampler = threading.Thread(target=_sample, args=(live.run.samples, over))
        if broker:
            sampler.start()
        try:
            if conduct is None:
                live.until(live.ended)
            else:
                conduct(live)
        finally:
            over.set()
            if broker:
                sampler.join()
            live.end()
    return live.run


def _sample(samples: list[Sample], over: threading.Event) -> None:
    """Ask the broker, again and again, who holds and wants what."""
    import ray

    from tuner.sharing.broker import running_broker

    while not over.wait(SAMPLE_S):
        actor = running_broker()
        if actor is None:
            continue
        try:
            rows = ray.get(actor.studies.remote(), timeout=1.0)
        except ray.exceptions.RayError:  # it starts, or starts again
            continue
        held = {row["study"]: row["held"] for row in rows}
        wanted = {row["study"]: row["wanted"] for row in rows}
        samples.append(Sample(time.time(), held, wanted))

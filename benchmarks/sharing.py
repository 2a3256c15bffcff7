"""Several studies on one cluster: how long a newcomer waits, who gets what, what faults cost.

    python -m benchmarks.sharing            # all of it, half an hour
    python -m benchmarks.sharing --short    # a few minutes: three studies, and faults
    python -m benchmarks.sharing three weights killed broker crowd cost

Drivers are processes on a local Ray of 8 logical CPUs, trials sleep for .2 to 2 s. "plain" is the
same without a broker, which is Ray by itself: a study's workers hold their slots until it ends.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
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
from statistics import median
from typing import Any

import psutil

from benchmarks.shared_driver import LOG

CPUS = 8
SECONDS = (0.2, 2.0)
LIMIT_S = 900.0
SAMPLE_S = 0.25
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@dataclass(frozen=True)
class Study:
    """A driver: when it starts, how many trials it has, and its weight."""

    name: str
    trials: int
    at_s: float = 0.0
    weight: float = 1.0


@dataclass
class Run:
    """What was seen of a run."""

    studies: list[Study]
    lines: list[dict[str, Any]]
    samples: list[tuple[float, dict[str, tuple[int, int]]]]
    acts: list[float] = field(default_factory=list)

    def of(self, what: str, study: str | None = None) -> list[dict[str, Any]]:
        """The lines of a kind."""
        return [x for x in self.lines if x["what"] == what and study in (None, x.get("study"))]

    def wait_s(self, study: str) -> float | None:
        """From the driver's connection to its first trial."""
        began = [line["began"] for line in self.of("trial", study)]
        connected = self.of("connected", study)
        return min(began) - connected[0]["t"] if began and connected else None

    @property
    def span_s(self) -> float:
        """From the first connection to the last trial's end."""
        return max(x["t"] for x in self.of("trial")) - min(x["t"] for x in self.of("connected"))

    @property
    def starts(self) -> int:
        """How many workers trained something."""
        return len({line["pid"] for line in self.of("trial")})

    def busy(self, since: float, until: float) -> float:
        """Slots that trained on average, between two moments."""
        spans = [(line["began"], line["t"]) for line in self.of("trial")]
        inside = sum(max(0.0, min(b, until) - max(a, since)) for a, b in spans)
        return inside / (until - since)

    def crowded(self) -> list[tuple[float, dict[str, tuple[int, int]]]]:
        """The samples at which every study wanted more than it could have."""
        everyone = len(self.studies)
        return [
            (t, held) for t, held in self.samples
            if len(held) == everyone and all(wanted > CPUS for _, wanted in held.values())
        ]  # fmt: skip

    def shares(self) -> dict[str, tuple[float, float, float]]:
        """By study: slots held on average in the crowd, its fair share, and the largest distance of
        the two for 19 of 20 moments."""
        crowd, weights = self.crowded(), sum(study.weight for study in self.studies)
        found = {}
        for study in self.studies:
            fair = CPUS * study.weight / weights
            held = [sample[study.name][0] for _, sample in crowd]
            if held:
                off = sorted(abs(count - fair) for count in held)
                found[study.name] = sum(held) / len(held), fair, off[int(0.95 * (len(off) - 1))]
        return found

    def trials(self) -> tuple[int, int]:
        """How many trials trained, and how many of them more than once."""
        ran = [(line["study"], line["trial"]) for line in self.of("trial")]
        return len(set(ran)), len(ran) - len(set(ran))


# --------------------------------------------------------------------------------- the cluster


@contextmanager
def cluster() -> Iterator[tuple[str, Path]]:
    """A local Ray with this process connected; its address, and a folder."""
    import ray

    folder = Path(tempfile.mkdtemp(prefix="shr", dir="/tmp"))
    os.environ.update({**ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
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


Act = Callable[[dict[str, subprocess.Popen[bytes]]], None]


def carried(
    studies: list[Study], *, broker: bool = True, acts: tuple[tuple[float, Act], ...] = ()
) -> Run:
    """Run the studies to their ends, and do each act at its second."""
    with cluster() as (address, folder):
        began, over = time.time(), threading.Event()
        samples: list[tuple[float, dict[str, tuple[int, int]]]] = []
        sampler = threading.Thread(target=_sample, args=(samples, over))
        if broker:
            sampler.start()
        todo, left, done = list(studies), list(acts), []
        drivers: dict[str, subprocess.Popen[bytes]] = {}
        while todo or any(driver.poll() is None for driver in drivers.values()):
            now = time.time() - began
            assert now < LIMIT_S, "the studies do not end"
            while todo and now >= todo[0].at_s:
                study = todo.pop(0)
                drivers[study.name] = _driver(study, address, folder, broker=broker)
            while left and now >= left[0][0]:
                left.pop(0)[1](drivers)
                done.append(time.time())
            time.sleep(0.05)
        over.set()
        if broker:
            sampler.join()
        with Path(os.environ[LOG]).open() as file:
            lines = [json.loads(line) for line in file]
    return Run(studies, lines, samples, done)


def _driver(study: Study, address: str, folder: Path, *, broker: bool) -> subprocess.Popen[bytes]:
    conf = {
        "study": study.name, "trials": study.trials, "seconds": SECONDS, "weight": study.weight,
        "user": study.name.lower(), "broker": broker, "address": address,
        "results": str(folder / "results"),
    }  # fmt: skip
    command = [sys.executable, "-m", "benchmarks.shared_driver", json.dumps(conf)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def _sample(samples: list[Any], over: threading.Event) -> None:
    """Ask the broker, again and again, who holds and wants what."""
    import ray

    from tuner.sharing.broker import running_broker

    while not over.wait(SAMPLE_S):
        try:
            rows = ray.get(running_broker().studies.remote(), timeout=1.0)  # type: ignore[union-attr]
        except (AttributeError, ray.exceptions.RayError):
            continue  # there is none yet, or it starts again
        samples.append((time.time(), {row["study"]: (row["held"], row["wanted"]) for row in rows}))


# ------------------------------------------------------------------------------- what is shown


def show(title: str, run: Run) -> None:
    """Print a run."""
    trained, twice = run.trials()
    expected = sum(study.trials for study in run.studies)
    print(
        f"\n{title}: {run.span_s:.1f} s, {run.starts} worker starts, {trained} of {expected} ",
        end="",
    )
    print(f"trials, {twice} trained twice")
    waits = {study.name: run.wait_s(study.name) for study in run.studies}
    known = [wait for wait in waits.values() if wait is not None]
    if len(waits) <= 4:
        print("  wait to the first trial:", {n: w and round(w, 1) for n, w in waits.items()})
    else:
        print(f"  wait to the first trial: median {median(known):.1f} s, worst {max(known):.1f} s")
    for name, (held, fair, off) in run.shares().items():
        print(
            f"  {name} held {held:.2f}, fair {fair:.2f} ({held / fair - 1:+.1%}), "
            f"off by {off:.2f} at most"
        )
    crowd = run.crowded()
    if len(crowd) > 1:
        since, until = crowd[0][0], crowd[-1][0]
        held = sum(min(CPUS, sum(h for h, _ in sample.values())) for _, sample in crowd)
        print(
            f"  crowd of {until - since:.0f} s: {held / len(crowd) / CPUS:.1%} of the slots held, ",
            end="",
        )
        print(f"{run.busy(since, until) / CPUS:.1%} busy")


THREE = [Study("A", 160), Study("B", 60, 15.0), Study("C", 60, 30.0)]


def three(short: bool) -> None:
    """Three studies, one after another; the same by plain Ray."""
    studies = [Study("A", 60), Study("B", 20, 20.0)] if short else THREE
    show("shared", carried(studies))
    plain = carried(studies, broker=False)
    show("plain Ray", plain)
    ends = sorted(line["t"] for line in plain.of("trial"))
    since, until = ends[len(ends) // 10], ends[-len(ends) // 10]
    print(f"  {plain.busy(since, until) / CPUS:.1%} busy between the first and the last tenth")


def weights(short: bool) -> None:
    """Two studies of weights 1 and 2, for a minute and a half and more."""
    size = 1 if short else 3
    show("weights 1:2", carried([Study("A", 80 * size), Study("B", 160 * size, 0.0, 2.0)]))


def killed(short: bool) -> None:
    """A driver is killed: when are its slots another's?"""

    def kill(drivers: dict[str, subprocess.Popen[bytes]]) -> None:
        drivers["B"].send_signal(signal.SIGKILL)

    studies = [Study("A", 200), Study("B", 400)]
    run = carried(studies, acts=((40.0, kill),))
    [at] = run.acts
    after = [t - at for t, held in run.samples if t > at and held.get("A", (0, 0))[0] == CPUS]
    print(
        f"\ndriver killed: all slots are the other's after {min(after, default=-1):.1f} s; ", end=""
    )
    print(f"{len({x['trial'] for x in run.of('trial', 'A')})} of 200 of its trials")


def broker(short: bool) -> None:
    """The broker is killed again and again while studies run."""
    import ray

    from tuner.sharing.broker import running_broker

    times = 3 if short else 10
    outages = []

    def kill(drivers: dict[str, subprocess.Popen[bytes]]) -> None:
        actor: Any = running_broker()
        pid = ray.get(actor.pid.remote())
        os.kill(pid, signal.SIGKILL)
        began = time.time()
        while time.time() - began < 30:
            try:
                if len(ray.get(actor.studies.remote(), timeout=1)) == 2:
                    break
            except ray.exceptions.RayError:
                time.sleep(0.05)
        outages.append(time.time() - began)

    acts = tuple((30.0 + 8.0 * i, kill) for i in range(times))
    size = 150 if short else 400
    run = carried([Study("A", size), Study("B", size)], acts=acts)
    show(f"broker killed {times} times", run)
    print(f"  away for {median(outages):.1f} s, {max(outages):.1f} s at most")


def crowd(short: bool) -> None:
    """Twenty studies of fifty trials that come within ten seconds; the same by plain Ray."""
    count, trials = (8, 20) if short else (20, 50)
    studies = [Study(f"S{i:02}", trials, i * 0.5) for i in range(count)]
    show(f"{count} studies of {trials} trials, shared", carried(studies))
    show("plain Ray", carried(studies, broker=False))


def cost(short: bool) -> None:
    """What the broker and a beat cost with twenty and a hundred studies."""
    import ray

    from tuner.sharing.broker import find_broker
    from tuner.sharing.lease import Lease, Wish

    for count in (20, 100):
        with cluster():
            wishes = [Wish(f"s{i}", f"u{i}", {"CPU": 1.0}) for i in range(count)]
            leases = [Lease(wish, wanted=50, say=lambda line: None) for wish in wishes]
            for lease in leases:
                lease.start()
            while any(lease.answer is None for lease in leases):
                time.sleep(0.1)
            process = psutil.Process(ray.get(find_broker().pid.remote()))
            before, began = sum(process.cpu_times()[:2]), time.time()
            time.sleep(20)
            used = (sum(process.cpu_times()[:2]) - before) / (time.time() - began)
            rss = process.memory_info().rss / 2**20
            print(
                f"\n{count} studies: the broker takes {used:.1%} of a core and {rss:.0f} MB",
                flush=True,
            )
            closing = [threading.Thread(target=lease.close) for lease in leases]
            for thread in closing:
                thread.start()
            for thread in closing:
                thread.join()


PARTS = {
    "three": three,
    "weights": weights,
    "killed": killed,
    "broker": broker,
    "crowd": crowd,
    "cost": cost,
}
SHORT = ("three", "killed", "broker")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description="Measure how studies share a cluster.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them")
    parser.add_argument("--short", action="store_true", help="a few minutes")
    options = parser.parse_args()
    for name in options.parts or (SHORT if options.short else PARTS):
        PARTS[name](options.short)
        sys.stdout.flush()


if __name__ == "__main__":
    main()

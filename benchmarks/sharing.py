"""Several studies on one cluster: how long a newcomer waits, who gets what, what faults cost.

    python -m benchmarks.sharing            # all of it: at most 18 minutes on 2 quiet cores
    python -m benchmarks.sharing --short    # the same with shorter runs: 5 minutes
    python -m benchmarks.sharing shares plain broker crowd cost

Drivers are processes on a local Ray of 8 logical CPUs, trials sleep for .2 to 2 s. "plain" is the
same without a broker, which is Ray by itself: a study's workers hold their slots until it ends.
Each claim is a row of the table at the end, which says whether it holds; speed depends on how busy
the machine is, so that a row that falls short on a busy one says little.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil

from benchmarks.shared_runs import CPUS, SECONDS, Live, Run, Study, carried, cluster

ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
MANY = 5000
"""Trials of a study that is ended before it has done them."""
THREE = [Study("A", 120), Study("B", 40, 3.0), Study("C", 40, 6.0)]
CROWD = 20, 50
"""Studies, and the trials of each. With plain Ray 160 workers start, for minutes on 2 cores."""
DEALT_AGAIN_S = 8.0
OUTAGE_S = 6.0
CALM_S = 2.0
"""How long a broker lives until it is killed again."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, ours, plain Ray's, the limit, and whether it holds
    (None: nothing is claimed)."""

    what: str
    ours: str
    plain: str = ""
    limit: str = ""
    holds: bool | None = None


def pair(form: str, ours: float, theirs: float) -> tuple[str, str]:
    """Two numbers as they stand in the table."""
    return format(ours, form), format(theirs, form)


def shares(short: bool) -> Iterator[Row]:
    """Three studies of weights 1, 1 and 2, one after another; in the end a driver is killed."""
    crowd_s = 20.0 if short else 91.0
    studies = [Study("A", MANY), Study("B", MANY, 3.0), Study("C", MANY, 6.0, 2.0)]
    found: dict[str, float] = {}

    def conduct(live: Live) -> None:
        live.until(lambda: live.run.crowd_s() >= crowd_s)
        found["ends"] = time.time()
        live.drivers["C"].send_signal(signal.SIGKILL)
        live.until(lambda: _others_hold_all(live.run, "C", found["ends"]))
        found["again"] = live.run.samples[-1].at - found["ends"]

    run = carried(studies, conduct=conduct)
    for name in ("B", "C"):
        waited = run.between(name, "connected", "joined")
        most = max(SECONDS) + 1.0
        yield Row(f"newcomer {name} waits for a slot, s", f"{waited:.1f}", "",
                  f"{most:.0f}: the rest of a trial + 1", waited <= most)  # fmt: skip
        first = run.between(name, "joined", "trial")
        yield Row("and for its worker's start, s", f"{first:.1f}")
    seen = run.crowd()
    yield from _held(run)
    yield Row("wanted slots held", f"{run.held():.1%}", "", "95%", run.held() >= 0.95)
    yield Row("slots that train", f"{run.busy(seen[0].at, found['ends']):.1%}")
    again = found["again"]
    yield Row("driver killed: its slots are others' after, s", f"{again:.1f}", "",
              f"{DEALT_AGAIN_S:.0f}", again <= DEALT_AGAIN_S)  # fmt: skip


def _held(run: Run) -> Iterator[Row]:
    for study in run.studies:
        held, fair = run.share(study)
        off, most = held / fair - 1, run.off_at_most(study)
        what = f"{study.name}, weight {study.weight:g}: slots held in {run.crowd_s():.0f} s"
        within = abs(off) <= 0.1
        yield Row(what, f"{held:.2f} ({off:+.1%})", "", f"{fair:.2f} +- 10%", within)
        yield Row("and off its share at 19 of 20 moments", f"{most:.2f}", "", "1", most <= 1.0)


def _others_hold_all(run: Run, gone: str, since: float) -> bool:
    last = run.samples[-1]
    return last.at > since and gone not in last.held and sum(last.held.values()) == CPUS


def plain(short: bool) -> Iterator[Row]:
    """Three studies that end, one after another; the same by plain Ray."""
    ours, theirs = carried(THREE), carried(THREE, broker=False)
    for name in ("B", "C"):
        first = pair(".1f", *(run.between(name, "connected", "trial") for run in (ours, theirs)))
        yield Row(f"newcomer {name} waits for its first trial, s", *first)
    busy, by_plain = ours.busy_in_the_middle(), theirs.busy_in_the_middle()
    part = pair(".1%", busy, by_plain)
    yield Row("slots that train", *part, "90% of plain", busy >= 0.9 * by_plain)
    yield Row("three studies in all, s", *pair(".1f", ours.span_s, theirs.span_s))


def rotating(short: bool) -> Iterator[Row]:
    """Two studies of weights 1 and 2: 2.67 and 5.33 slots, of which one goes round."""
    crowd_s = 60.0 if short else 120.0
    studies = [Study("A", MANY), Study("B", MANY, None, 2.0)]

    def conduct(live: Live) -> None:
        live.until(lambda: live.run.crowd_s() >= crowd_s)

    yield from _held(carried(studies, conduct=conduct))


def broker(short: bool) -> Iterator[Row]:
    """The broker is killed again and again while two studies run."""
    import ray

    from tuner.sharing.broker import running_broker

    times, size = (3, 60) if short else (10, 220)
    outages: list[float] = []

    def answers() -> bool:
        try:
            return len(ray.get(actor().studies.remote(), timeout=1.0)) == len(studies)
        except ray.exceptions.RayError:
            return False

    def actor() -> Any:
        return running_broker()

    def conduct(live: Live) -> None:
        live.until(live.run.crowd)
        for _ in range(times):
            began = time.time()
            os.kill(ray.get(actor().pid.remote()), signal.SIGKILL)
            again = live.until(lambda: answers() or live.ended())
            if live.ended():  # too slow a machine for so many
                return
            outages.append(again - began)
            live.let_pass(CALM_S)
        live.until(live.ended)

    studies = [Study("A", size), Study("B", size)]
    lost, twice = carried(studies, conduct=conduct).lost_and_twice()
    yield Row(f"broker killed {len(outages)} times: trials lost, trained twice",
              f"{lost}, {twice}", "", "0, 0", (lost, twice) == (0, 0))  # fmt: skip
    yield Row("and away for, s: median, worst", f"{median(outages):.1f}, {max(outages):.1f}", "",
              f"{OUTAGE_S:.0f}", max(outages) <= OUTAGE_S)  # fmt: skip


def crowd(short: bool) -> Iterator[Row]:
    """Twenty studies that come within ten seconds; the same by plain Ray."""
    count, trials = (6, 20) if short else CROWD
    studies = [Study(f"S{i:02}", trials, i * 0.5 if i else None) for i in range(count)]
    ours, theirs = carried(studies), carried(studies, broker=False)
    name = f"{count} studies of {trials} trials"
    spans, worst = (ours.span_s, theirs.span_s), (max(ours.waits()), max(theirs.waits()))
    yield Row(f"{name} in all, s", *pair(".0f", *spans), "plain + 10%", spans[0] <= 1.1 * spans[1])
    what, third = "and the worst wait for a first trial, s", worst[0] <= worst[1] / 3
    yield Row(what, *pair(".0f", *worst), "a third of plain", third)
    yield Row("and the median", *pair(".0f", *(median(run.waits()) for run in (ours, theirs))))
    yield Row("and workers started", *pair("d", ours.starts, theirs.starts))
    lost, twice = ours.lost_and_twice()
    yield Row("and trials lost, trained twice", f"{lost}, {twice}", "", "0, 0", lost + twice == 0)
    costs = pair(".0f", *(1000 * run.driver_cpu_s() for run in (ours, theirs)))
    yield Row("and the driver's CPU a trial, ms", *costs)


def cost(short: bool) -> Iterator[Row]:
    """What the broker and a beat cost with twenty and a hundred studies."""
    import ray

    from tuner.sharing.broker import find_broker
    from tuner.sharing.lease import Lease, Wish

    window_s = 5.0 if short else 10.0
    with cluster():
        leases: list[Lease] = []
        for count in (20, 100):
            wishes = [Wish(f"s{i}", f"u{i}", {"CPU": 1.0}) for i in range(len(leases), count)]
            more = [Lease(wish, wanted=50, say=lambda line: None) for wish in wishes]
            for lease in more:
                lease.start()
            leases += more
            while any(lease.answer is None for lease in leases):
                time.sleep(0.1)
            process = psutil.Process(ray.get(find_broker().pid.remote()))
            before, began = sum(process.cpu_times()[:2]), time.time()
            time.sleep(window_s)
            used = (sum(process.cpu_times()[:2]) - before) / (time.time() - began)
            rss = process.memory_info().rss / 2**20
            yield Row(f"the broker of {count} studies", f"{used:.1%} of a core, {rss:.0f} MB")
            each = 1000 * used / count
            yield Row("and its CPU a study and second, ms", f"{each:.1f}")
        closing = [threading.Thread(target=lease.close) for lease in leases]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()


PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "shares": shares,
    "plain": plain,
    "broker": broker,
    "crowd": crowd,
    "cost": cost,
    "rotating": rotating,
}
WHOLE = tuple(name for name in PARTS if name != "rotating")


def show(rows: list[Row]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("measured", "tuner", "plain Ray", "at most, or least", "holds", box=None)
    for row in rows:
        holds = {None: "", True: "yes", False: "NO"}[row.holds]
        table.add_row(row.what, row.ours, row.plain, row.limit, holds)
    Console(width=120).print(table, highlight=False)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description="Measure how studies share a cluster.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all but the last")
    parser.add_argument("--short", action="store_true", help="shorter runs: 5 minutes")
    options = parser.parse_args()
    # Ray reads its mode when it is imported, and its token once.
    os.environ.update({**ENVIRONMENT, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    rows: list[Row] = []
    for name in options.parts or WHOLE:
        began = time.time()
        rows += PARTS[name](options.short)
        print(f"{name}: {time.time() - began:.0f} s", file=sys.stderr, flush=True)
    show(rows)


if __name__ == "__main__":
    main()

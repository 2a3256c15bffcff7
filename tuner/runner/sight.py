"""Who is on a cluster, as `ps` and `top` show it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tuner.cluster.jobs import ENDED, Jobs, Submitted, job_id
from tuner.runner.share import user_name
from tuner.runner.submit import CHECK_S, POLL_S, shipped_modules
from tuner.sharing.messages import Row

SILENT_S = 3.0
"""A driver that said nothing for so long is shown as silent."""


@dataclass(frozen=True)
class Seen:
    """A study as `ps` shows it. `left_s` is the time that it still needs, as far as can be told."""

    study: str
    user: str
    state: str
    done: int | None = None
    total: int | None = None
    best: str = ""
    held: int | None = None
    wanted: int | None = None
    since: float | None = None
    left_s: float | None = None
    version: str = ""


def seen(jobs: Sequence[Submitted], rows: Sequence[Row], now: float) -> list[Seen]:
    """The studies of a cluster, running ones first: those that beat, and those that were submitted
    and do not."""
    beats = {(row["user"], row["study"]): row for row in rows}
    submitted: Mapping[tuple[str, str], Submitted] = {(j.user, j.study): j for j in jobs}
    there = [_beating(row, now) for row in rows]
    others = [
        Seen(job.study, job.user, job.state, since=job.began, version=job.told.get("version", ""))
        for key, job in submitted.items()
        if key not in beats
    ]
    return [*sorted(there, key=lambda one: (one.user, one.study)), *others]


def _beating(row: Row, now: float) -> Seen:
    done, total, age = row["done"], row["total"], now - row["since"]
    state = "running" if row["held"] else "waiting for a slot"
    if row["silent_s"] > SILENT_S:
        state = f"silent for {row['silent_s']:.0f} s"
    left_s = age / done * (total - done) if done and total else None
    return Seen(
        row["study"], row["user"], state, done, total, row["best"], row["held"], row["wanted"],
        row["since"], left_s, row["version"],
    )  # fmt: skip


@contextmanager
def looking_by_job(jobs: Jobs) -> Iterator[Callable[[], list[Row]]]:
    """A function that lists the studies on a cluster now, where the job server alone is in reach: a
    job there looks until the end of this."""
    id = job_id(user_name(), f"look-{time.time_ns()}")
    command = ["python", "-m", "tuner.sharing.glance"]
    jobs.submit(id, command, folder=None, modules=shipped_modules(), told={"look": "all"})

    def lines() -> list[str]:
        return [line for line in jobs.logs(id).splitlines() if line[:1] + line[-1:] == "[]"]

    def rows() -> list[Row]:
        found: list[Row] = json.loads(["[]", *lines()][-1])
        return found

    try:
        end = time.monotonic() + CHECK_S
        while not lines() and jobs.status(id) not in ENDED and time.monotonic() < end:
            time.sleep(POLL_S)
        yield rows
    finally:
        jobs.stop(id)

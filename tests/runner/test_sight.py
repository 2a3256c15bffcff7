"""What `ps` and `top` make of a cluster's studies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.runner.test_submit import Checks, job
from tests.sharing.beats import beat
from tuner.runner import sight
from tuner.runner.share import USER
from tuner.runner.sight import Seen, looking_by_job, seen
from tuner.sharing.messages import Row


def row(study: str, **more: Any) -> Row:
    said: Mapping[str, Any] = beat(study, user="ann", since=90.0, version="0.1.0", **more)
    known: Any = {**said, "fair": 1.0, "may": 0, "silent_s": more.get("silent_s", 0.0)}
    row: Row = known
    return row


def test_ps_shows_who_beats_first_and_then_what_was_only_submitted() -> None:
    rows = [
        row("b", held=2, done=5, total=20, best="val_loss 0.1", wanted=15),
        row("a", wanted=20, total=20),
    ]
    jobs = [job("b"), job("lost", "FAILED", exit_code=-9)]
    waiting, running, lost = seen(jobs, rows, now=100.0)
    assert (waiting.study, waiting.state, waiting.left_s) == ("a", "waiting for a slot", None)
    assert running == Seen("b", "ann", "running", 5, 20, "val_loss 0.1", 2, 15, 90.0, 30.0, "0.1.0")
    assert (lost.study, lost.state) == ("lost", "driver lost, `tuner resume`")


def test_a_driver_that_fell_silent_is_shown_so() -> None:
    [silent] = seen([], [row("a", held=2, silent_s=4.2)], now=100.0)
    assert silent.state == "silent for 4 s"


class Looks(Checks):
    """A job server whose job has printed something, and ends when it is told to."""

    stopped = 0

    def stop(self, id: str) -> None:
        self.stopped += 1


def test_over_http_the_last_whole_line_of_a_job_there_is_what_it_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(USER, "ann")
    old, new = json.dumps([row("a")]), json.dumps([row("a"), row("b", held=2)])
    jobs: Any = Looks("RUNNING", f"a warning\n{old}\n{new}\n{new[:40]}")
    with looking_by_job(jobs) as rows:
        assert [one["study"] for one in rows()] == ["a", "b"]
        assert jobs.started[0].startswith("tuner-ann-look-")
        assert jobs.stopped == 0
    assert jobs.stopped == 1


def test_over_http_the_jobs_are_seen_where_none_can_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "POLL_S", 0.0)
    for jobs in (Looks("FAILED", "No module named tuner"), Looks("RUNNING", "[]\n")):
        given: Any = jobs
        with looking_by_job(given) as rows:
            assert rows() == []

"""Studies on a cluster: what is refused before a cluster is asked, and what `ps` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tuner.cluster import place_check
from tuner.cluster.jobs import Submitted, job_id
from tuner.errors import StudyError
from tuner.runner.share import USER, user_name
from tuner.runner.submit import check_place, resume, submit


def job(study: str, status: str = "RUNNING", **more: Any) -> Submitted:
    given: dict[str, Any] = {
        "user": "ann", "study": study, "status": status, "message": "", "began": 50.0,
        "ended": None, "exit_code": None, "told": {"version": "0.1.0"},
    }  # fmt: skip
    return Submitted(**{**given, **more})


class Known:
    """A job server that knows some studies, and was asked to start none yet."""

    def __init__(self, *known: Submitted) -> None:
        self.known = list(known)
        self.started: list[str] = []

    def all(self) -> list[Submitted]:
        return self.known

    def find(self, user: str, study: str) -> Submitted | None:
        return next((j for j in self.known if (j.user, j.study) == (user, study)), None)

    def submit(self, id: str, command: Sequence[str], **more: Any) -> None:
        self.started.append(id)


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER, "ann")


def submitted(jobs: Any, file: Path, results: str = "/srv/results", **more: Any) -> str:
    given: dict[str, Any] = {"results": results, "study": None, "say": lambda line: None, **more}
    given["command"] = lambda words, results, study, again: ["run", *words]
    return submit(jobs, str(file), [], **given)


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        ("PENDING", None, "pending"),
        ("RUNNING", None, "running"),
        ("SUCCEEDED", 0, "done"),
        ("STOPPED", None, "stopped"),
        ("FAILED", 1, "done, some cells failed"),
        ("FAILED", 2, "refused"),
        ("FAILED", -9, "driver lost, `tuner resume`"),
        ("FAILED", None, "driver lost, `tuner resume`"),
    ],
)
def test_what_became_of_a_driver_is_said_in_words(
    status: str, code: int | None, state: str
) -> None:
    assert job("a", status, exit_code=code).state == state


def test_a_studys_id_names_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    assert job_id(user_name(), "digits") == "tuner-ann-digits"


def test_a_name_in_use_is_refused_with_the_way_on(tmp_path: Path) -> None:
    jobs = Known(job("mine", "STOPPED"))
    with pytest.raises(StudyError, match=r"'mine' of ann is on this cluster already \(stopped\)"):
        submitted(jobs, tmp_path / "mine.py")
    assert jobs.started == []


@pytest.mark.parametrize(
    ("results", "why"), [("results", "copy of this folder that is thrown away")]
)
def test_results_in_the_copied_folder_are_refused(tmp_path: Path, results: str, why: str) -> None:
    (tmp_path / "mine.py").touch()
    jobs = Known()
    with pytest.raises(StudyError, match=why):
        submitted(jobs, tmp_path / "mine.py", results)
    assert jobs.started == []


def test_a_file_that_is_not_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"nosuch\.py is not here; name a file"):
        submitted(Known(), tmp_path / "nosuch.py")


def test_a_name_that_no_folder_may_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"'../up' cannot be a study's name"):
        submitted(Known(), tmp_path / "mine.py", study="../up")


def test_a_study_that_runs_or_was_never_submitted_is_not_resumed() -> None:
    jobs: Any = Known(job("a"))
    with pytest.raises(StudyError, match="'a' still runs; stop it first: tuner stop a"):
        resume(jobs, "a", command=lambda *given: [])
    with pytest.raises(StudyError, match=r"ann has submitted no study 'b' .*; it knows a"):
        resume(jobs, "b", command=lambda *given: [])


class Checks(Known):
    """A job server whose one node says what it says of a folder."""

    def __init__(self, status: str, log: str) -> None:
        super().__init__()
        self._status, self._log, self.forgotten = status, log, 0

    def status(self, id: str) -> str:
        return self._status

    def logs(self, id: str) -> str:
        return self._log

    def forget(self, id: str) -> None:
        self.forgotten += 1


def test_a_place_that_a_node_cannot_write_to_is_refused_in_its_words() -> None:
    why = "node 10.0.0.7 cannot write to /srv/results: Permission denied"
    refuses: Any = Checks("FAILED", f"noise\n{why}\n")
    with pytest.raises(StudyError, match=r"node 10\.0\.0\.7 cannot write .*; give a folder that"):
        check_place(refuses, "/srv/results", "ann", lambda line: None)
    assert refuses.forgotten == 1
    fine: Any = Checks("SUCCEEDED", "")
    check_place(fine, "s3://bucket/results", "ann", lambda line: None)
    assert fine.started[0].startswith("tuner-ann-check-")


def test_the_check_writes_a_file_and_leaves_none(tmp_path: Path) -> None:
    assert place_check.write(str(tmp_path / "new" / "results")) == ""
    assert list((tmp_path / "new" / "results").iterdir()) == []
    blocked = tmp_path / "file"
    blocked.touch()
    assert place_check.write(str(blocked / "results")) != ""

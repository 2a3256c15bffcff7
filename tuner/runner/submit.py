"""Studies that run on a cluster by themselves: submitted, stopped, resumed, listed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import tuner
from tuner.cluster.jobs import ENDED, Jobs, Submitted, job_id
from tuner.errors import StudyError
from tuner.experiment.checks import NAME_RULE
from tuner.runner.share import USER, tuner_version, user_name

Command = Callable[[Sequence[str], str, str, bool], list[str]]
"""The command line of a run: what was typed, its results, its study, and whether it goes on."""

POLL_S = 1.0
CHECK_S = 120.0
"""How long the check of the results' place may take."""
MODULES = ("tuner", "analysis", "search_spaces")
"""What travels with a study: its driver and workers are of the version that submitted it."""


def submit(
    jobs: Jobs,
    experiment: str,
    flags: Sequence[str],
    *,
    results: str,
    study: str | None,
    command: Command,
    say: Callable[[str], None],
) -> str:
    """Start a study on a cluster and return its name.

    Raises StudyError where the name is in use, and where a node cannot write to `results`.
    """
    user, name = user_name(), study or _name_of(experiment)
    if not NAME_RULE.match(name):
        raise StudyError(f"{name!r} cannot be a study's name", field="study", way_out="give one")
    before = jobs.find(user, name)
    if before is not None:
        raise StudyError(
            f"{name!r} of {user} is on this cluster already ({before.state})",
            field="study",
            way_out=f"name another, or go on with it: tuner resume {name}",
        )
    folder, inside = _shipped(experiment)
    check_place(jobs, results, user, say)
    _start(jobs, command, user, name, [inside, *flags], results, folder)
    return name


def resume(jobs: Jobs, study: str, *, command: Command) -> None:
    """Go on with a study that was submitted and has ended."""
    job = found(jobs, study)
    if job.running:
        raise StudyError(f"{study!r} still runs", way_out="stop it first: tuner stop " + study)
    words: list[str] = json.loads(job.told["words"])
    folder = Path(job.told["folder"]) if job.told.get("folder") else None
    if folder is not None and not folder.is_dir():
        raise StudyError(f"{study!r} was submitted from {folder}, which is not here")
    jobs.forget(job_id(job.user, study))
    _start(jobs, command, job.user, study, words, job.told["results"], folder, again=True)


def stop(jobs: Jobs, study: str, wait_s: float) -> Submitted:
    """End a study as Ctrl-C does, and wait until it has kept what is finished."""
    job = found(jobs, study)
    if job.running:
        jobs.stop(job_id(job.user, study))
        end = time.monotonic() + wait_s
        while (job := found(jobs, study)).running and time.monotonic() < end:
            time.sleep(POLL_S)
    return job


def found(jobs: Jobs, study: str) -> Submitted:
    """A study of this user's. Raises StudyError where none has this name."""
    job = jobs.find(user_name(), study)
    if job is None:
        mine = sorted(one.study for one in jobs.all() if one.user == user_name())
        raise StudyError(
            f"{user_name()} has submitted no study {study!r} to this cluster",
            field="study",
            way_out=f"it knows {', '.join(mine)}" if mine else "submit one: tuner submit",
        )
    return job


def follow(jobs: Jobs, study: str) -> Iterator[str]:
    """What a study's driver prints, as it comes, until it has ended."""
    job = found(jobs, study)
    id, shown = job_id(job.user, study), 0
    while True:
        running = found(jobs, study).running
        text = jobs.logs(id)
        if len(text) > shown:
            yield text[shown:]
            shown = len(text)
        if not running:
            return
        time.sleep(POLL_S)


def check_place(jobs: Jobs, results: str, user: str, say: Callable[[str], None]) -> None:
    """Raises StudyError unless every node of the cluster can write to `results`."""
    if "://" not in results and not Path(results).is_absolute():
        raise StudyError(
            f"{results!r} would lie in a copy of this folder that is thrown away",
            field="results",
            way_out="give an absolute path that all nodes share, or a URI",
        )
    id = job_id(user, f"check-{time.time_ns()}")
    say(f"checking that the cluster's nodes can write to {results}")
    command = ["python", "-m", "tuner.cluster.place_check", results]
    jobs.submit(id, command, folder=None, modules=shipped_modules(), told={"check": results})
    end = time.monotonic() + CHECK_S
    while (status := jobs.status(id)) not in ENDED:
        if time.monotonic() > end:
            jobs.stop(id)
            raise StudyError(f"no node wrote to {results} within {CHECK_S:.0f} s", field="results")
        time.sleep(POLL_S)
    said = [line for line in jobs.logs(id).splitlines() if line.startswith("node ")]
    jobs.forget(id)
    if status != "SUCCEEDED":
        why = said[-1] if said else "the check could not run there; is tuner's venv on its nodes?"
        raise StudyError(
            why, field="results", way_out="give a folder that all nodes share, or a URI"
        )


def _start(
    jobs: Jobs,
    command: Command,
    user: str,
    study: str,
    words: list[str],
    results: str,
    folder: Path | None,
    *,
    again: bool = False,
) -> None:
    told = {
        "user": user,
        "study": study,
        "results": results,
        "words": json.dumps(words),
        "folder": "" if folder is None else str(folder),
        "version": tuner_version(),
    }
    line = ["env", f"{USER}={user}", *command(words, results, study, again)]
    jobs.submit(job_id(user, study), line, folder=folder, modules=shipped_modules(), told=told)


def shipped_modules() -> list[Path]:
    """The folders of ours that travel with a job."""
    root = Path(tuner.__file__).parent.parent
    return [root / name for name in MODULES if (root / name).is_dir()]


def _name_of(experiment: str) -> str:
    """The study's name where none is given: that of the file, or of the experiment."""
    if experiment.endswith(".py"):
        return Path(experiment).stem
    return experiment.partition(":")[0].rpartition(".")[2]


def _shipped(experiment: str) -> tuple[Path | None, str]:
    """The folder that travels, and what the experiment is called in it."""
    if not experiment.endswith(".py"):
        return (Path.cwd(), experiment) if ":" in experiment else (None, experiment)
    file = Path(experiment).expanduser().resolve()
    if not file.is_file():
        raise StudyError(f"{experiment} is not here", field="experiment", way_out="name a file")
    return file.parent, f"./{file.name}"

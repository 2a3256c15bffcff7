"""The commands for studies that run on a cluster by themselves, over Ray's own job server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.flags import flag
from tuner.cli.output import console
from tuner.shown import shown

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.cluster.jobs import Jobs
    from tuner.runner.sight import Seen

Address = Annotated[
    str | None, flag("the cluster: auto (default), its head's HOST:PORT, or http://HOST:8265")
]
EACH_S = 2.0
"""How often `top` looks."""


def submit(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="as for `run`; a file's folder travels along")],
    results: Annotated[
        str, typer.Option(help="a folder that all nodes share, by its whole path, or a URI")
    ],
    study: Annotated[str | None, flag("name of the study; else the file's")] = None,
    address: Address = None,
    follow: Annotated[bool, flag("print what it prints until it ends", "--follow")] = False,
) -> None:
    """Run a study on a cluster, as `run` would here, with all of its flags; prints its name."""
    from tuner.cli.app import app
    from tuner.runner import submit as remote

    flags = list(context.args)
    commands: Any = typer.main.get_command(app)
    commands.commands["run"].make_context("run", [experiment, *flags])  # a mistake is said here
    jobs = _jobs(address)
    name = remote.submit(
        jobs, experiment, flags, results=results, study=study, command=_run, say=_say
    )
    print(name)
    if follow:
        _print_log(remote.follow(jobs, name))


def ps(address: Address = None) -> None:
    """List the studies of a cluster: who runs, what is done, what is held and wanted."""
    with _sight(address) as look:
        console().print(_table(look()))


def top(address: Address = None) -> None:
    """Show the studies of a cluster, live, until Ctrl-C."""
    from rich.live import Live

    with _sight(address) as look, Live(_table(look()), console=console()) as live:
        while True:
            time.sleep(EACH_S)
            live.update(_table(look()))


def stop(
    study: Annotated[str, typer.Argument(help="a study that was submitted")],
    address: Address = None,
) -> None:
    """End a study on a cluster as Ctrl-C does: what is finished is kept."""
    from tuner.cluster.jobs import STOP_S
    from tuner.runner import submit as remote

    job = remote.stop(_jobs(address), study, STOP_S + 10.0)
    _say(f"{study}: {job.state}; go on with: tuner resume {study}")


def resume(
    study: Annotated[str, typer.Argument(help="a study that was submitted")],
    address: Address = None,
    follow: Annotated[bool, flag("print what it prints until it ends", "--follow")] = False,
) -> None:
    """Go on with a study on a cluster that was stopped, or whose driver was lost."""
    from tuner.runner import submit as remote

    jobs = _jobs(address)
    remote.resume(jobs, study, command=_run)
    _say(f"{study} goes on")
    if follow:
        _print_log(remote.follow(jobs, study))


def submitted_log(study: str, address: str | None, *, follow: bool) -> None:
    """Print what the driver of a submitted study has printed."""
    from tuner.cluster.jobs import job_id
    from tuner.runner import submit as remote

    jobs = _jobs(address)
    if follow:
        _print_log(remote.follow(jobs, study))
    else:
        _print_log(iter([jobs.logs(job_id(remote.found(jobs, study).user, study))]))


def _jobs(address: str | None) -> Jobs:
    """The job server of a cluster, tried first by a process of its own where Ray's client would
    print what it thinks of the address or the token."""
    from tuner.cluster.address import check_address
    from tuner.cluster.jobs import Jobs

    where = _address(address)
    if "://" not in where:
        check_address(where)
    return Jobs(where)


def _run(words: Sequence[str], results: str, study: str, again: bool) -> list[str]:
    """The command line of a study that runs on a cluster."""
    place = ["--address", "auto", "--results", results, "--study", study]
    return ["python", "-m", "tuner", "run", *words, *place, *(["--resume"] if again else [])]


def _print_log(parts: Iterator[str]) -> None:
    for text in parts:
        print(shown(text), end="", flush=True)


@contextmanager
def _sight(address: str | None) -> Iterator[Callable[[], list[Seen]]]:
    """A function that looks at a cluster. Over http a job there looks for it."""
    from tuner.cluster.jobs import Jobs
    from tuner.errors import EngineError
    from tuner.runner.sight import looking_by_job, seen
    from tuner.sharing.glance import looking

    where = _address(address)
    if "://" in where:
        jobs = Jobs(where)
        with looking_by_job(jobs) as rows:
            yield lambda: seen(jobs.all(), rows(), time.time())
        return
    with looking(where) as rows:
        try:
            server: Jobs | None = Jobs(where)
        except EngineError:  # a cluster without a job server has drivers all the same
            server = None
        yield lambda: seen(server.all() if server else [], rows(), time.time())


def _table(studies: list[Seen]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("study", "user", "state", "trials", "best", "slots", "since", "left", "tuner"):
        table.add_column(name, no_wrap=True)
    for one in studies:
        trials = f"{one.done}/{one.total}" if one.total else ""  # it may not know them yet
        slots = "" if one.held is None else f"{one.held}/{one.wanted}"
        since = "" if one.since is None else time.strftime("%H:%M", time.localtime(one.since))
        left = "" if one.left_s is None else f"{one.left_s:.0f} s"
        cells = (one.study, one.user, one.state, trials, one.best, slots, since, left, one.version)
        table.add_row(*(Text(shown(cell, keep="")) for cell in cells))
    return table


def _address(given: str | None) -> str:
    return given or os.environ.get("RAY_ADDRESS") or "auto"


def _say(line: str) -> None:
    console().print(line, markup=False, soft_wrap=True)


PASSES_ON: dict[str, Any] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""What `submit` does not know itself is a flag of `run`."""
COMMANDS: dict[str, Callable[..., None]] = {
    "submit": submit,
    "ps": ps,
    "stop": stop,
    "resume": resume,
    "top": top,
}

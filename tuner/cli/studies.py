"""The commands beside `run`: what looks at studies, and what makes something of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tuner.cli.bring import import_results
from tuner.cli.confirm import confirm
from tuner.cli.flags import TRUST, flag
from tuner.cli.output import ask_password, ask_yes, console
from tuner.errors import ResultsError
from tuner.schedulers.registry import SCHEDULERS
from tuner.shown import shown

Text = str | None
Number = int | None


def list_experiments() -> None:
    """List the experiments that `run` knows by name."""
    from rich.table import Table

    from tuner.experiment.loading import known

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, what in sorted(known().items()):
        table.add_row(name, what)
    console().print(table)


def show(
    study_dir: Annotated[
        str, typer.Argument(help="a study's folder or URI, such as results/lr_momentum")
    ],
    trial: Annotated[Number, typer.Argument(help="a trial's number", show_default=False)] = None,
    top: Annotated[int, typer.Option(help="rows of the leaderboard")] = 10,
    csv: Annotated[bool, typer.Option("--csv", help="print the trials table as CSV")] = False,
) -> None:
    """Show a study (leaderboard, states, time spent, epochs saved), or one of its trials."""
    from tuner.runner.show import show_csv, show_study, show_trial

    if csv:
        print(show_csv(study_dir), end="")
    elif trial is None:
        show_study(study_dir, top, console())
    else:
        show_trial(study_dir, trial, console())


def logs(
    study_dir: Annotated[
        str, typer.Argument(help="a study's folder or URI; without TRIAL, a submitted study")
    ],
    trial: Annotated[Number, typer.Argument(help="a trial's number", show_default=False)] = None,
    follow: Annotated[bool, flag("go on until the study ends", "--follow", "-f")] = False,
    address: Annotated[Text, flag("the cluster of a submitted study")] = None,
) -> None:
    """Print what a trial's workers printed, and the traceback that it ended in; without a trial,
    what the driver of a submitted study prints."""
    if trial is None:
        from tuner.cli.cluster import submitted_log

        submitted_log(study_dir, address, follow=follow)
        return
    from tuner.store.trial_logs import read_log

    print(shown(read_log(study_dir, trial)), end="")


def repair(
    study_dir: Annotated[str, typer.Argument(help="a study's folder")],
    storage: Annotated[Text, flag("the ledger's URL, where it has a password")] = None,
) -> None:
    """Make a study's tables anew from its ledger and log, and say what was broken."""
    from tuner.runner.repair import repair as repair_study

    for line in repair_study(_folder(study_dir, "repair mends"), storage, ask_password()):
        print(shown(line, keep=""))


def simulate(
    study_dir: Annotated[str, typer.Argument(help="a study whose trials ran to their end")],
    scheduler: Annotated[
        list[str] | None, flag(f"{', '.join(SCHEDULERS.ours)} or one-epoch; repeatable")
    ] = None,
    eta: Annotated[list[int] | None, flag("repeatable (default 3)")] = None,
    min_epochs: Annotated[int, typer.Option(help="epoch before which no trial is stopped")] = 1,
    workers: Annotated[list[int] | None, flag("repeatable (default 8)")] = None,
    sampler: Annotated[str, typer.Option(help="random order, or a sampler by name")] = "random",
    seeds: Annotated[int, typer.Option(help="how many simulated runs")] = 20,
    top: Annotated[int, typer.Option(help="one-epoch: how many train to the end")] = 10,
    out: Annotated[Path | None, flag("the plot (HTML); else STUDY_DIR/simulate.html")] = None,
) -> None:
    """Replay a study's curves: what would another scheduler have found, at what cost?"""
    from analysis.replay_show import show_simulation
    from tuner.store.copying import local_copy

    folder = local_copy(study_dir)
    show_simulation(
        folder,
        console(),
        schedulers=scheduler or ["asha"],
        etas=eta or [3],
        min_epochs=min_epochs,
        workers=workers or [8],
        sampler=sampler,
        seeds=seeds,
        top=top,
        out=out or folder / "simulate.html",
    )


def report(
    study_dirs: Annotated[list[str], typer.Argument(help="studies' folders or URIs")],
    out: Annotated[Path | None, flag("the file; else STUDY_DIR/report.html")] = None,
    png: Annotated[bool, typer.Option("--png", help="also draw the figures as PNG files")] = False,
) -> None:
    """Write what was searched, how, and the answer into one HTML file."""
    from analysis.report import write_report
    from tuner.store.copying import local_copy

    folders = [local_copy(study_dir) for study_dir in study_dirs]
    path = write_report(folders, out)
    console().print(f"wrote {path}", markup=False, soft_wrap=True)
    if png:
        from analysis.png import write_pngs

        folder = write_pngs(folders, path.parent / "figures")
        console().print(f"wrote {folder}", markup=False, soft_wrap=True)


def new(file: Annotated[Path, typer.Argument(help="the file to write, such as mine.py")]) -> None:
    """Write a commented experiment to begin with."""
    from tuner.cli.new import write_experiment

    write_experiment(file)
    console().print(f"wrote {file}; run it: python -m tuner run {file}", markup=False)


def refit(
    study_dir: Annotated[str, typer.Argument(help="a study's folder or URI")],
    trial: Annotated[Number, flag("a trial's number; else the best one's")] = None,
    params: Annotated[Text, flag("parameters to change, as a JSON object")] = None,
    epochs: Annotated[Number, flag("epochs to train; else as many as the trial")] = None,
    seed: Annotated[Number, flag("seed of the training; else the trial's")] = None,
    schedule: Annotated[
        bool, flag("live through the schedule of a population's trial", "--schedule")
    ] = False,
    data: Annotated[Text, flag("where the study's dataset lies now")] = None,
    trust: Annotated[bool, flag(TRUST, "--trust")] = False,
) -> None:
    """Train the best point on all training data, test it, write model.keras and refit.json."""
    from tuner.models.chosen import read_params
    from tuner.models.refit import refit as refit_study

    refit_study(
        study_dir,
        trial=trial,
        params=None if params is None else read_params(params),
        epochs=epochs,
        seed=seed,
        schedule=schedule,
        data=data,
        trust=trust,
        ask=ask_yes(),
        say=lambda line: console().print(line, markup=False, soft_wrap=True),
    )


def export(
    study_dir: Annotated[str, typer.Argument(help="a study's folder or URI, refitted")],
    format: Annotated[
        str, typer.Option(help="keras (model.keras), or json+h5 (model.json, model.weights.h5)")
    ] = "keras",
    out: Annotated[Path | None, flag("folder to write into; else the study's")] = None,
    trust: Annotated[bool, flag(TRUST, "--trust")] = False,
) -> None:
    """Write a refitted model as Keras' own file, or as JSON with HDF5 weights."""
    from tuner.models.model_files import export as export_study
    from tuner.store.copying import local_copy

    for path in export_study(local_copy(study_dir), format, out, trust=trust, ask=ask_yes()):
        print(path)


def dashboard(
    study_dir: Annotated[str, typer.Argument(help="a study's folder, or URI; it may be running")],
    port: Annotated[int, typer.Option(help="port to serve on")] = 8080,
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
    storage: Annotated[Text, flag("the ledger's URL, where it has a password")] = None,
) -> None:
    """Serve Optuna's dashboard of a study, live while it runs (extra: dashboard)."""
    from tuner.runner.dashboard import serve
    from tuner.store.copying import local_copy

    serve(
        local_copy(study_dir),
        storage,
        host,
        port,
        lambda line: print(line, flush=True),
        ask_password(),
    )


def watch(
    study_dir: Annotated[str, typer.Argument(help="a study's folder, or a folder of studies")],
    port: Annotated[int, typer.Option(help="port to serve on; 0 takes a free one")] = 8090,
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
) -> None:
    """Serve a study's page live while it runs; of a folder of studies, the list of them."""
    from threading import Thread

    from analysis.watch import Watch
    from tuner.runner.serving import serve_app

    app = Watch(_folder(study_dir, "watch shows"))
    Thread(target=app.run, daemon=True).start()
    try:
        serve_app(app, host, port, "/", lambda link: print(f"{study_dir} on {link}", flush=True))
    finally:
        app.stop()


def doctor(
    results: Annotated[Path, flag("the folder in which studies are to lie")] = Path("results"),
) -> None:
    """Say what this machine has, what it lacks, and the way out; exit 1 where no search can run."""
    from rich.markup import escape
    from rich.table import Table

    from tuner.cli.doctor import Health, findings

    table = Table(box=None, show_header=False, pad_edge=False)
    found = list(findings(results))
    for one in found:
        table.add_row(*map(escape, (one.health, one.what, shown(one.said), shown(one.way_out))))
    console().print(table)
    if any(one.health is Health.FAULT for one in found):
        raise typer.Exit(1)


def _folder(place: str, what: str) -> Path:
    """A folder of this machine. Raises ResultsError for a URI."""
    from tuner.store.uris import is_uri

    if is_uri(place):
        raise ResultsError(
            f"{what} a folder of this machine, and {place} is a URI",
            field="study_dir",
            way_out="`tuner show` and `tuner report` fetch it",
        )
    return Path(place)


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list_experiments,
    "show": show,
    "logs": logs,
    "repair": repair,
    "simulate": simulate,
    "report": report,
    "new": new,
    "import": import_results,
    "refit": refit,
    "confirm": confirm,
    "export": export,
    "dashboard": dashboard,
    "watch": watch,
    "doctor": doctor,
}

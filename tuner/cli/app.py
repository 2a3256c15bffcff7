"""The command line, `python -m tuner`: one line and exit 2 for whatever a user can mend."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from tuner.errors import TunerError
from tuner.shown import shown

app = typer.Typer(
    name="tuner",
    help="Hyperparameter search for Keras: Ray runs the trials, Optuna proposes them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

WIDE = 200
"""Columns of output that nobody sees on a terminal, where nothing should be cut short."""

TRUST = "run the study's own code wherever it lies"

Text = str | None
Number = int | None
Real = float | None
Flag = bool | None


def _option(text: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=text, show_default=False, **more)


@app.command()
def run(
    experiment: Annotated[
        str, typer.Argument(help="a name (see `list`), a file ending in .py, or module:ATTRIBUTE")
    ],
    study: Annotated[Text, _option("name of the study; else the first free one")] = None,
    results: Annotated[
        str, typer.Option(help="folder of the results, or a URI such as s3://bucket/x")
    ] = "results",
    resume: Annotated[bool, typer.Option("--resume", help="go on with the newest study")] = False,
    trials: Annotated[Number, _option("how many points to try")] = None,
    seed: Annotated[Number, _option("seed of everything")] = None,
    data: Annotated[
        Text, _option("digits, mnist, fashion_mnist, or PATH.npz in Keras' layout")
    ] = None,
    validation: Annotated[Text, _option("split (20% of training data) or test")] = None,
    sampler: Annotated[Text, _option("who proposes: tpe, random, cmaes, qmc, gp")] = None,
    scheduler: Annotated[Text, _option("who stops: asha, median, hyperband, none")] = None,
    eta: Annotated[Number, _option("asha, hyperband: one in eta goes on at a rung")] = None,
    min_epochs: Annotated[Number, _option("epoch before which no trial is stopped")] = None,
    epochs: Annotated[Number, _option("most epochs a trial may train")] = None,
    sample_epochs: Annotated[
        Flag, _option("search the axis epochs under a scheduler too", "--sample-epochs")
    ] = None,
    value: Annotated[Text, _option("a trial's value: its last or its best epoch's")] = None,
    retries: Annotated[Number, _option("new attempts for a trial that raises")] = None,
    deterministic: Annotated[
        Flag, _option("the same study at any concurrency", "--deterministic")
    ] = None,
    window: Annotated[Number, _option("trials asked together when deterministic")] = None,
    time_limit: Annotated[Real, _option("seconds after which the run ends")] = None,
    engine: Annotated[
        Text, _option("fused (networks as one program), ray_tune, or auto (default)")
    ] = None,
    lanes: Annotated[Number, _option("fused: trainings at a time in a worker")] = None,
    concurrency: Annotated[
        Number, _option("trials (fused: workers) at a time; else all that fit")
    ] = None,
    cpus_per_trial: Annotated[Real, _option("CPUs a trial (default 1)")] = None,
    gpus_per_trial: Annotated[Real, _option("GPUs a trial, fractions allowed")] = None,
    memory_per_trial: Annotated[
        Real, _option("MB a trial's worker may hold; one above it is replaced")
    ] = None,
    checkpoint_every: Annotated[
        Number, _option("epochs between a trial's checkpoints, from which it goes on")
    ] = None,
    trial_timeout: Annotated[
        Real, _option("seconds after which a trial is ended as FAILED")
    ] = None,
    mode: Annotated[Text, _option("search, grid (every point) or cv (on every fold)")] = None,
    folds: Annotated[Number, _option("cv: how many folds (default 3)")] = None,
    repeats: Annotated[Number, _option("cv: how many times, reshuffled")] = None,
    shuffle: Annotated[
        Flag, _option("cv: shuffle before splitting", "--shuffle/--no-shuffle")
    ] = None,
    fold_racing: Annotated[
        Text, _option("cv: drop configurations at a fold: none, forgiving or aggressive")
    ] = None,
    multivariate: Annotated[
        Flag, _option("tpe: model axes together (default)", "--multivariate/--no-multivariate")
    ] = None,
    sets: Annotated[
        list[str] | None, _option("NAME=LOW..HIGH, NAME=A,B or NAME=VALUE; repeatable", "--set")
    ] = None,
    enqueue: Annotated[
        Path | None, _option("points to try first: .json, .csv, .parquet or a study's folder")
    ] = None,
    tensorboard: Annotated[
        Flag, _option("write event files too: tensorboard --logdir RESULTS/STUDY", "--tensorboard")
    ] = None,
    storage: Annotated[Text, _option("an Optuna database URL for the ledger")] = None,
    address: Annotated[Text, _option("a running Ray cluster: auto, or HOST:PORT")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="print errors only")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object only")] = False,
) -> None:
    """Run an experiment's search; the results go to RESULTS/STUDY."""
    typed = {
        "trials": trials,
        "seed": seed,
        "dataset": data,
        "validation": validation,
        "sampler": sampler,
        "scheduler": scheduler,
        "eta": eta,
        "min_epochs": min_epochs,
        "epochs": epochs,
        "sample_epochs": sample_epochs,
        "value": value,
        "retries": retries,
        "deterministic": deterministic,
        "window": window,
        "time_limit": time_limit,
        "engine": engine,
        "lanes": lanes,
        "trial_timeout": trial_timeout,
        "mode": mode,
        "folds": folds,
        "repeats": repeats,
        "shuffle": shuffle,
        "fold_racing": fold_racing,
        "multivariate": multivariate,
        "concurrency": concurrency,
        "cpus_per_trial": cpus_per_trial,
        "gpus_per_trial": gpus_per_trial,
        "memory_per_trial": memory_per_trial,
        "checkpoint_every": checkpoint_every,
        "tensorboard": tensorboard,
    }
    overrides = {name: given for name, given in typed.items() if given is not None}
    console = None if quiet or as_json else _console()
    if console is not None:
        # Importing what runs a study takes a second or two: say first that the line was taken.
        console.print(f"{experiment}: starting", highlight=False, markup=False)
    from tuner.runner.display import Display
    from tuner.runner.run import run_study

    try:
        finished = run_study(
            experiment,
            results=results,
            study=study,
            resume=resume,
            address=address,
            storage=storage,
            sets=sets or (),
            enqueue=enqueue,
            overrides=overrides,
            display=Display(console),
        )
    except (
        KeyboardInterrupt
    ) as interrupt:  # Typer would end without the line that says how to go on
        print(f"tuner: {interrupt}", file=sys.stderr)
        terminated = isinstance(interrupt.__context__, _Terminated)
        raise typer.Exit(128 + (signal.SIGTERM if terminated else signal.SIGINT)) from None
    if as_json:
        print(json.dumps(finished.summary()))
    elif console is not None:
        finished.show(console)
    raise typer.Exit(finished.exit_code)


@app.command("list")
def list_experiments() -> None:
    """List the experiments that `run` knows by name."""
    from rich.table import Table

    from tuner.experiment.loading import known

    table = Table(box=None, show_header=False, pad_edge=False)
    for name, what in sorted(known().items()):
        table.add_row(name, what)
    _console().print(table)


@app.command()
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
        show_study(study_dir, top, _console())
    else:
        show_trial(study_dir, trial, _console())


@app.command()
def logs(
    study_dir: Annotated[str, typer.Argument(help="a study's folder or URI")],
    trial: Annotated[int, typer.Argument(help="a trial's number")],
) -> None:
    """Print what a trial's workers printed, and the traceback that it ended in."""
    from tuner.store.trial_logs import read_log

    print(shown(read_log(study_dir, trial)), end="")


@app.command()
def repair(
    study_dir: Annotated[Path, typer.Argument(help="a study's folder")],
    storage: Annotated[Text, _option("the ledger's URL, where it has a password")] = None,
) -> None:
    """Make a study's tables anew from its ledger and log, and say what was broken."""
    from tuner.runner.repair import repair as repair_study

    for line in repair_study(study_dir, storage):
        print(shown(line, keep=""))


@app.command()
def simulate(
    study_dir: Annotated[Path, typer.Argument(help="a study whose trials ran to their end")],
    scheduler: Annotated[
        list[str] | None, _option("asha, median, hyperband, none or one-epoch; repeatable")
    ] = None,
    eta: Annotated[list[int] | None, _option("repeatable (default 3)")] = None,
    min_epochs: Annotated[int, typer.Option(help="epoch before which no trial is stopped")] = 1,
    workers: Annotated[list[int] | None, _option("repeatable (default 8)")] = None,
    sampler: Annotated[str, typer.Option(help="random order, or a sampler by name")] = "random",
    seeds: Annotated[int, typer.Option(help="how many simulated runs")] = 20,
    top: Annotated[int, typer.Option(help="one-epoch: how many train to the end")] = 10,
    out: Annotated[Path | None, _option("the plot (HTML); else STUDY_DIR/simulate.html")] = None,
) -> None:
    """Replay a study's curves: what would another scheduler have found, at what cost?"""
    from analysis.replay_show import show_simulation

    show_simulation(
        study_dir,
        _console(),
        schedulers=scheduler or ["asha"],
        etas=eta or [3],
        min_epochs=min_epochs,
        workers=workers or [8],
        sampler=sampler,
        seeds=seeds,
        top=top,
        out=out or study_dir / "simulate.html",
    )


@app.command()
def report(
    study_dirs: Annotated[list[Path], typer.Argument(help="studies' folders")],
    out: Annotated[Path | None, _option("the file; else STUDY_DIR/report.html")] = None,
    png: Annotated[bool, typer.Option("--png", help="also draw the figures as PNG files")] = False,
) -> None:
    """Write what was searched, how, and the answer into one HTML file."""
    from analysis.report import write_report

    path = write_report(study_dirs, out)
    _console().print(f"wrote {path}", markup=False, soft_wrap=True)
    if png:
        from analysis.png import write_pngs

        folder = write_pngs(study_dirs, path.parent / "figures")
        _console().print(f"wrote {folder}", markup=False, soft_wrap=True)


@app.command()
def new(file: Annotated[Path, typer.Argument(help="the file to write, such as mine.py")]) -> None:
    """Write a commented experiment to begin with."""
    from tuner.cli.new import write_experiment

    write_experiment(file)
    _console().print(f"wrote {file}; run it: python -m tuner run {file}", markup=False)


@app.command()
def refit(
    study_dir: Annotated[Path, typer.Argument(help="a study's folder")],
    trial: Annotated[Number, _option("a trial's number; else the best one's")] = None,
    params: Annotated[Text, _option("parameters to change, as a JSON object")] = None,
    epochs: Annotated[Number, _option("epochs to train; else as many as the trial")] = None,
    seed: Annotated[Number, _option("seed of the training; else the trial's")] = None,
    data: Annotated[Text, _option("where the study's dataset lies now")] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
) -> None:
    """Train the best point on all training data, test it, write model.keras and refit.json."""
    from tuner.models.refit import read_params
    from tuner.models.refit import refit as refit_study

    refit_study(
        study_dir,
        trial=trial,
        params=None if params is None else read_params(params),
        epochs=epochs,
        seed=seed,
        data=data,
        trust=trust,
        ask=_ask(),
        say=lambda line: _console().print(line, markup=False, soft_wrap=True),
    )


@app.command()
def export(
    study_dir: Annotated[Path, typer.Argument(help="a study's folder, refitted")],
    format: Annotated[
        str, typer.Option(help="keras (model.keras), or json+h5 (model.json, model.weights.h5)")
    ] = "keras",
    out: Annotated[Path | None, _option("folder to write into; else the study's")] = None,
    trust: Annotated[bool, typer.Option("--trust", help=TRUST)] = False,
) -> None:
    """Write a refitted model as Keras' own file, or as JSON with HDF5 weights."""
    from tuner.models.model_files import export as export_study

    for path in export_study(study_dir, format, out, trust=trust, ask=_ask()):
        print(path)


@app.command()
def dashboard(
    study_dir: Annotated[Path, typer.Argument(help="a study's folder; it may be running")],
    port: Annotated[int, typer.Option(help="port to serve on")] = 8080,
    host: Annotated[str, typer.Option(help="address to serve on")] = "127.0.0.1",
    storage: Annotated[Text, _option("the ledger's URL, where it has a password")] = None,
) -> None:
    """Serve Optuna's dashboard of a study, live while it runs (extra: dashboard)."""
    from tuner.runner.dashboard import serve

    serve(study_dir, storage, host, port, lambda line: print(line, flush=True))


def _ask() -> Callable[[str], bool] | None:
    """A question on the terminal; without one nobody can be asked."""
    return typer.confirm if sys.stdin.isatty() else None


def _console() -> Console:
    """Standard output; where that is no terminal, wide and without colour."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def main() -> None:
    """Run the command line and exit: 0 fine, 1 failed cells, 2 a mistake, 130 Ctrl-C."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    """Run one command line; its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(arguments, standalone_mode=False)
    except TunerError as error:
        return _complain(str(error), getattr(error, "__notes__", []))
    except typer.exceptions.TyperException as error:
        return _complain(error.format_message(), [])
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


def _complain(message: str, notes: list[str]) -> int:
    print("tuner: " + shown(" ".join(message.split()), keep=""), file=sys.stderr)
    for note in notes:
        print(shown(note), file=sys.stderr)
    return 2


class _Terminated(KeyboardInterrupt):
    """SIGTERM ends a run as Ctrl-C does: a SystemExit inside Ray's wait would skip the rest."""


def _terminated(signum: int, frame: Any) -> None:
    raise _Terminated

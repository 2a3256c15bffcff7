"""`tuner run`: an experiment's search, with a flag for each option of an Experiment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tuner.cli.flags import flag, with_options
from tuner.cli.output import ask_password, console, interrupted_code
from tuner.experiment.experiment import Experiment
from tuner.experiment.words import RESOURCES, RESULTS, WHAT

Text = str | None


@with_options(Experiment)
def run(
    experiment: Annotated[
        str, typer.Argument(help="a name (see `list`), a file ending in .py, or module:ATTRIBUTE")
    ],
    space: Annotated[
        list[str] | None,
        flag("NAME=LOW..HIGH, NAME=A,B or NAME=VALUE; repeatable", "--set", group=WHAT),
    ] = None,
    enqueue: Annotated[
        Path | None,
        flag("points to try first: .json, .csv, .parquet or a study's folder", group=WHAT),
    ] = None,
    study: Annotated[
        Text, flag("name of the study; else the first free one", group=RESULTS)
    ] = None,
    results: Annotated[
        str,
        typer.Option(
            help="folder of the results, or a URI such as s3://bucket/x", rich_help_panel=RESULTS
        ),
    ] = "results",
    resume: Annotated[bool, flag("go on with the newest study", "--resume", group=RESULTS)] = False,
    storage: Annotated[Text, flag("an Optuna database URL for the ledger", group=RESULTS)] = None,
    quiet: Annotated[bool, flag("print errors only", "--quiet", group=RESULTS)] = False,
    as_json: Annotated[bool, flag("print one JSON object only", "--json", group=RESULTS)] = False,
    address: Annotated[
        Text, flag("a running Ray cluster: auto, or HOST:PORT", group=RESOURCES)
    ] = None,
    **given: Any,
) -> None:
    """Run an experiment's search; the results go to RESULTS/STUDY."""
    shown = None if quiet or as_json else console()
    if shown is not None:
        # Importing what runs a study takes a second or two: say first that the line was taken.
        shown.print(f"{experiment}: starting", highlight=False, markup=False)
    from tuner.results.ending import what_mattered
    from tuner.runner.confirm import run_and_confirm
    from tuner.runner.display import Display
    from tuner.runner.finished import Interrupted
    from tuner.runner.request import Request

    request = Request(
        experiment,
        results=results,
        study=study,
        resume=resume,
        address=address,
        storage=storage,
        ask=ask_password(),
        sets=tuple(space or ()),
        enqueue=enqueue,
        overrides={n: _listed(n, value) for n, value in given.items() if value is not None},
    )
    try:
        finished = run_and_confirm(request, Display(shown))
    except Interrupted as interrupt:
        print(f"tuner: {interrupt.said(_resuming(interrupt.study))}", file=sys.stderr)
        raise typer.Exit(interrupted_code()) from None
    except KeyboardInterrupt:
        print("tuner: interrupted; nothing had begun", file=sys.stderr)
        raise typer.Exit(interrupted_code()) from None
    mattered = what_mattered(finished)
    if as_json:
        print(json.dumps(finished.summary()))
    elif shown is not None:
        from analysis.facts.suggest import suggestion

        doubt = suggestion(finished.path, finished.place)
        finished.show(shown, again="--resume", doubt=doubt, mattered=mattered)
    raise typer.Exit(finished.exit_code)


def _listed(name: str, value: Any) -> Any:
    """Several metrics, directions, studies or axes, with commas between them."""
    several = name in ("learn_from", "explore") or (
        name in ("metric", "direction") and "," in value
    )
    return [one.strip() for one in value.split(",")] if several else value


def _resuming(study: str) -> str:
    return f"--study {study} --resume"

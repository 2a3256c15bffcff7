"""`tuner confirm`: the best trials of a study, trained again."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tuner.cli.flags import TRUST, flag
from tuner.cli.output import ask_yes, console, interrupted_code


def confirm(
    study_dir: Annotated[str, typer.Argument(help="a study's folder or URI")],
    top: Annotated[int, typer.Option(help="how many of the best trials")] = 3,
    seeds: Annotated[int, typer.Option(help="trainings of each, on new splits and seeds")] = 5,
    seed: Annotated[int | None, flag("seed of the new study; else the old one's and 1")] = None,
    concurrency: Annotated[int | None, flag("trials at a time; else all that fit")] = None,
    address: Annotated[str | None, flag("a running Ray cluster: auto, or HOST:PORT")] = None,
    trust: Annotated[bool, flag(TRUST, "--trust")] = False,
) -> None:
    """Train the best trials again on new splits and seeds; the best mean is the study's best."""
    from tuner.runner.confirm import confirm as confirm_study
    from tuner.runner.display import Display
    from tuner.runner.finished import Interrupted

    display = Display(console())
    try:
        found = confirm_study(
            study_dir,
            top=top,
            seeds=seeds,
            seed=seed,
            trust=trust,
            ask=ask_yes(),
            display=display,
            concurrency=concurrency,
            address=address,
        )
    except Interrupted as interrupt:
        print(f"tuner: {interrupt.said('the same command')}", file=sys.stderr)
        raise typer.Exit(interrupted_code()) from None
    for line in found.lines():
        display.line(line)
    display.line(f"best: {found.why}")
    display.line(f"the trainings are in {found.path}")

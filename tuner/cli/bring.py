"""`tuner import`: a study of results from elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from tuner.cli.flags import flag
from tuner.cli.output import console


def import_results(
    kind: Annotated[str, typer.Argument(help="optuna, csv, mlflow or ray")],
    source: Annotated[
        str, typer.Argument(help="an Optuna URL or journal, a file, or a folder of runs")
    ],
    name: Annotated[str, flag("the study that is made", "--name")],
    metric: Annotated[str, flag("what is searched, as the source calls it", "--metric")],
    direction: Annotated[
        str, flag("minimize or maximize; else as the source, or the metric's name, says")
    ] = "auto",
    study: Annotated[str | None, flag("which of the source's studies or experiments")] = None,
    results: Annotated[str, typer.Option(help="folder of the results")] = "results",
) -> None:
    """Make a study of results from elsewhere, to show, to report, or to learn from."""
    from tuner.elsewhere.sources import import_study

    def say(line: str) -> None:
        console().print(line, markup=False, soft_wrap=True)

    path = import_study(
        kind,
        source,
        name=name,
        metric=metric,
        direction=direction,
        study=study,
        results=results,
        say=say,
    )
    say(f"wrote {path}; look at it: python -m tuner show {path}")

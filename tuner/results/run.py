"""`tuner.run`: a search in one call, which returns its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.experiment.experiment import Experiment
from tuner.experiment.functions import experiment_of
from tuner.results.ending import what_mattered
from tuner.results.results import Results, load
from tuner.runner.confirm import run_and_confirm
from tuner.runner.display import Display, in_notebook
from tuner.runner.enqueue import Given
from tuner.runner.request import Request
from tuner.store.loggers import Logger
from tuner.store.uris import is_uri


def run(
    experiment: str | Experiment | Callable[..., Any],
    *,
    results: str | Path = "results",
    study: str | None = None,
    resume: bool = False,
    address: str | None = None,
    storage: str | None = None,
    enqueue: Given = None,
    loggers: Sequence[str | Logger] = (),
    quiet: bool | None = None,
    **fields: Any,
) -> Results:
    """Run an experiment and return its results, as `python -m tuner run` does.

    `experiment` is an Experiment, what the command line takes, or the function to search itself:
    `space=` says its axes, or its arguments' annotations do. `enqueue` is a file, a study's
    folder, a list of points or a DataFrame. `loggers` hear of the study: "mlflow", "wandb",
    "tensorboard", or objects (`tuner.store.loggers.Logger`). `fields` override fields of the
    Experiment (`trials=50`, `seed=7`, ...). Progress is shown in a notebook, and elsewhere with
    `quiet=False`. Sampler and scheduler given here count as typed. Raises a TunerError for whatever
    the command line would refuse.
    """
    from rich.console import Console

    if callable(experiment):
        known = {name: fields[name] for name in ("metric", "direction") if name in fields}
        experiment = experiment_of(experiment, fields.pop("space", None), **known)
    request = Request(
        experiment,
        results=str(results),
        study=study,
        resume=resume,
        address=address,
        storage=storage,
        enqueue=enqueue,
        loggers=loggers,
        overrides=fields,
    )
    console = Console(force_jupyter=False) if quiet is False else None
    finished = run_and_confirm(
        request, Display(console, notebook=quiet is not True and in_notebook())
    )
    mattered = what_mattered(finished)
    if console is not None:
        from analysis.facts.suggest import suggestion

        doubt = suggestion(finished.path, finished.place)
        finished.show(console, doubt=doubt, mattered=mattered)
    found = load(finished.path, experiment if isinstance(experiment, Experiment) else None)
    return replace(found, uri=finished.place if is_uri(finished.place) else None)

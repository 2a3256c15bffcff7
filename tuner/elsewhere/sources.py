"""Studies made of results from elsewhere: which sources there are, and the way from one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tuner.elsewhere.found import write_study
from tuner.options import check_name

SOURCES = {
    "optuna": "tuner.elsewhere.optuna_study",
    "csv": "tuner.elsewhere.csv_file",
    "mlflow": "tuner.elsewhere.mlflow_store",
    "ray": "tuner.elsewhere.ray_folder",
}
"""Where each is read. One line here makes a source known everywhere."""


def import_study(
    kind: str,
    source: str,
    *,
    name: str,
    metric: str,
    direction: str = "auto",
    study: str | None = None,
    results: str | Path = "results",
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make the study `results/name` of what a source holds; its path.

    `kind` is one of SOURCES; `study` is which of the source's, where it has several. `say` is told
    what is left out. Raises ExperimentError and ResultsError for what cannot be one.
    """
    check_name("kind", kind, tuple(SOURCES))
    # runs code: ours
    found = import_module(SOURCES[kind]).read(source, metric, study)
    return write_study(found, Path(results), name, metric, direction, say)

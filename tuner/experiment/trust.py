"""Whose code a study's folder may have run: what is trusted, and what is asked first.

`refit` and `export` import the file or module that `study.json` names. A folder that came from
elsewhere could name anything on this machine, or bring a file along.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from tuner.errors import ExperimentError
from tuner.experiment.loading import PACKAGE, Source
from tuner.shown import shown

PROJECT_SIGNS = ("pyproject.toml", ".git")

Ask = Callable[[str], bool]


def check_trust(source: Source, study: Path, *, trust: bool, ask: Ask | None = None) -> None:
    """Let the code that `study.json` names be run, or raise ExperimentError naming it.

    It may where `trust` says so, where it lies in the current project and outside the study's
    folder, where it is one of tuner's own experiments, and where `ask`, given a question, says yes.
    """
    if source.kind == "object" or trust:
        return
    if source.kind == "module" and source.where.startswith(f"{PACKAGE}."):
        return
    file = _file(source)
    if file is not None and _in_project(file, study):
        return
    what = f"{study} names {shown(source.where, keep='')}"
    if file is not None and file.is_file():
        what += f" (SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()[:16]})"
    if ask is not None and ask(f"{what}, which lies outside of this project. Run it?"):
        return
    raise ExperimentError(
        f"{what}, which lies outside of this project, and it would be run",
        way_out="read it, then add `trust`",
    )


def _file(source: Source) -> Path | None:
    """The file that would be run first; found without running anything."""
    if source.kind == "file":
        return Path(source.where).resolve()
    try:
        spec = importlib.util.find_spec(source.where.partition(".")[0])
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin else None


def _in_project(file: Path, study: Path) -> bool:
    return file.is_relative_to(_project()) and not file.is_relative_to(study.resolve())


def _project() -> Path:
    """The current folder, or the one above it that a project begins in."""
    here = Path.cwd().resolve()
    found = (
        path for path in (here, *here.parents) if any((path / s).exists() for s in PROJECT_SIGNS)
    )
    return next(found, here)

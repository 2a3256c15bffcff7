"""At a run's end: the weights of the best trials stay in the study's folder, all others go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuner.errors import ResultsError
from tuner.experiment.words import ONE_SE
from tuner.files import put_bytes
from tuner.store.layout import MODELS_FOLDER
from tuner.store.study_tables import read_study
from tuner.study.record import Record
from tuner.study.study import Study
from tuner.training.kept_models import model_file

Fetch = Callable[[str, Path], bytes | None]
"""Brings a file from the node at an address, and removes it there; None where it is not there."""


def keep_best(study: Study, path: Path, fetch: Fetch) -> str | None:
    """Keep the weights of the best trials of a study at `path`; a line that says so, or None.

    Each worker kept its own best, on its node's disk: `fetch` brings what lies on another.
    """
    folder = path.resolve() / MODELS_FOLDER
    best = _to_keep(study, path)
    for record in best:
        file = model_file(folder, record.trial)
        if not file.is_file() and record.trained_by and record.host:
            content = fetch(record.host, file)
            if content is not None:
                folder.mkdir(exist_ok=True)
                put_bytes(file, content)
    if not folder.is_dir():
        return None
    kept = [model_file(folder, record.trial) for record in best]
    for file in folder.iterdir():
        if file not in kept:
            file.unlink()
    there = [file for file in kept if file.is_file()]
    if not there:
        folder.rmdir()
        return None
    names = ", ".join(file.stem for file in there)
    size = sum(file.stat().st_size for file in there) / 1e6
    trials = "trial" if len(there) == 1 else "trials"
    return f"weights of {trials} {names} are kept in {path / MODELS_FOLDER}, {size:.2g} MB"


def _to_keep(study: Study, path: Path) -> list[Record]:
    """The best trials, first the one that another rule than its value has chosen."""
    best, count = study.ranked(), study.experiment.keep_models
    if best and count and study.experiment.choose == ONE_SE:
        with suppress(ResultsError):  # a table that could not be written is told of elsewhere
            choice = read_study(path).choice
            best.sort(key=lambda record: choice is not None and record.trial != choice.trial)
    return best[:count]

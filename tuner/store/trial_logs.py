"""`logs/<trial>.log` of a study: what a trial's workers printed, and the errors it ended in."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import ResultsError
from tuner.store.copying import local_copy
from tuner.store.damage import reading
from tuner.store.layout import LOGS_FOLDER, TRIALS_FILE
from tuner.store.parquet import read_parquet
from tuner.trial.cells import Cell, Outcome


def keep_log(study: Path, cell: Cell, outcome: Outcome) -> None:
    """Add a cell's output, and its error if it has one, to its trial's log."""
    if not outcome.log and not outcome.error:
        return
    where = f" on {outcome.host}" if outcome.host else ""
    head = f"== attempt {cell.attempt}, fold {cell.fold}{where}: {outcome.ending}"
    parts = [head, outcome.log.rstrip("\n"), outcome.error or ""]
    folder = study / LOGS_FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / f"{cell.trial}.log").open("a", encoding="utf-8") as file:
        file.write("\n".join(part for part in parts if part) + "\n")


def read_log(place: str, trial: int) -> str:
    """A trial's log; raises ResultsError for a trial that the study has not."""
    with reading(place):
        return _read_log(place, trial)


def _read_log(place: str, trial: int) -> str:
    folder = local_copy(place)
    path = folder / LOGS_FOLDER / f"{trial}.log"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    table = folder / TRIALS_FILE
    if not table.is_file():
        raise ResultsError(f"{place} is not a study folder: it has no {TRIALS_FILE}")
    known = read_parquet(table)["trial"].to_pylist()
    if trial not in known:
        raise ResultsError(f"{place} has no trial {trial}; it has {len(known)}, from 0")
    return f"trial {trial} printed nothing and raised nothing\n"

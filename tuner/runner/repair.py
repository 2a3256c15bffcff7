"""A study's tables made anew from its ledger and its report log, whatever became of them."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tuner.errors import ResultsError
from tuner.experiment.experiment import Experiment
from tuner.files import replacing
from tuner.runner.lost_reports import lost_reports
from tuner.store.damage import reading
from tuner.store.database_lock import ledger_locked
from tuner.store.folder import locked
from tuner.store.layout import (
    JOURNAL_FILE,
    REPORT_LOG_FILE,
    REPORTS_FOLDER,
    STUDY_FILE,
    TRIALS_FILE,
)
from tuner.store.ledger import Ledger, journal_storage, url_storage
from tuner.store.log import Damaged, cut_unfinished, lines
from tuner.store.parquet import put_parquet, read_parquet
from tuner.store.passwords import Ask
from tuner.store.report import read_entry
from tuner.store.report_parts import read_part
from tuner.store.reports_table import ReportStore
from tuner.store.resume_checks import resumed_storage
from tuner.store.study_json import StudyFile
from tuner.store.trials_table import trials_table
from tuner.study.record import Record
from tuner.study.restore import check_whole, last_attempts, replay
from tuner.study.study import Study
from tuner.study.winding_up import lay_aside
from tuner.trial.cells import CellKey, State

BROKEN = ".broken"
"""What a file that cannot be read is called from then on: nothing is thrown away."""
BEFORE = ".before-repair"
"""What a file as it was is called until what is written in its place has been verified."""


def repair(study_dir: Path, storage: str | None = None, ask: Ask | None = None) -> list[str]:
    """Make a study's tables anew of all that is intact; a line for each thing that was done.

    Raises ResultsError where study.json or the ledger itself is broken, of which all else is made,
    or where they contradict the reports, and StudyError while a run holds the study: neither
    changes anything.
    """
    with reading(study_dir):
        kept = StudyFile.read(study_dir)
        kept.check_format(study_dir)
        url = resumed_storage(kept.storage, storage, ask)
    if url is None and not (study_dir / JOURNAL_FILE).is_file():
        raise ResultsError(f"{study_dir} has no {JOURNAL_FILE}, of which its tables are made")
    experiment, name = _experiment(kept, study_dir), kept.name
    with locked(study_dir), ledger_locked(url, name), _keeping(study_dir), reading(study_dir):
        said = []
        if url is None and (cut := cut_unfinished(study_dir / JOURNAL_FILE)):
            said.append(f"{JOURNAL_FILE}: cut {cut} unfinished bytes at its end")
        backend = journal_storage(study_dir) if url is None else url_storage(url)
        study = Study(experiment, Ledger(name, experiment.direction, backend))
        try:
            last = last_attempts(study)
            check_whole(last, set())
        finally:
            study.ledger.disconnect()
        said += _mend_log(study_dir / REPORT_LOG_FILE)
        said += _set_aside_parts(study_dir / REPORTS_FOLDER)
        with closing(ReportStore(study_dir)) as store:
            check_whole(last, store.trials())
            replay(study, last, store.by_cell())
            lay_aside(study)
            records = study.records
            said += lost_reports(records, store)
            reported = _write_reports(records, store)
        table = trials_table(
            records,
            study.space,
            kept.experiment.engine,
            goals=len(study.goals),
            constrained=study.constrained,
            population=study.has_population,
        )
        if not _readable(study_dir / TRIALS_FILE):
            said.append(f"{TRIALS_FILE}: was missing or broken, and is made anew")
        put_parquet(study_dir / TRIALS_FILE, table)
        _verify(study_dir, reported, len(records))
    return [*said, f"{study_dir}: {len(records)} trials in its tables, as the ledger has them"]


def _write_reports(records: Iterable[Record], store: ReportStore) -> Counter[CellKey]:
    """Bring the reports of ended trials into the table; how many each cell has then."""
    for record in records:
        for fold, cell in record.cells.items():
            store.drop(CellKey(record.trial, fold), cell.attempt - 1, record.held.get(fold, 0))
    reported = Counter(report.key for report in store.reports())
    for record in records:
        if record.state is not State.RUNNING:
            for fold in record.cells:
                store.finish(CellKey(record.trial, fold))
    return reported


def _verify(study_dir: Path, reported: Counter[CellKey], trials: int) -> None:
    """Raises ResultsError where the new files hold less than was read."""
    with closing(ReportStore(study_dir)) as store:
        now = Counter(report.key for report in store.reports())
    if reported - now or len(read_parquet(study_dir / TRIALS_FILE)) != trials:
        raise ResultsError(f"{study_dir}: the new tables hold less than the old; all is as it was")


@contextmanager
def _keeping(study_dir: Path) -> Iterator[None]:
    """Keep what is written anew as it was until all went well; else put it back."""
    kept = {file: _before(file) for file in _written(study_dir)}
    for file, copy in kept.items():
        _copy(file, copy)
    try:
        yield
    except BaseException:
        for file in set(_written(study_dir)) - kept.keys():
            file.unlink()
        for file, copy in kept.items():
            os.replace(copy, file)
        raise
    for copy in kept.values():
        copy.unlink()


def _written(study_dir: Path) -> list[Path]:
    """The files that a repair writes, as far as they are there."""
    names = (JOURNAL_FILE, REPORT_LOG_FILE, TRIALS_FILE)
    parts = (study_dir / REPORTS_FOLDER).glob("part-*.parquet")
    return [file for file in (*(study_dir / name for name in names), *parts) if file.is_file()]


def _before(file: Path) -> Path:
    """Beside the parts under a hidden name, which readers of the table pass over."""
    hidden = "." if file.parent.name == REPORTS_FOLDER else ""
    return file.with_name(f"{hidden}{file.name}{BEFORE}")


def _copy(file: Path, copy: Path) -> None:
    with file.open("rb") as old, replacing(copy) as new:
        shutil.copyfileobj(old, new)


def _experiment(kept: StudyFile, study_dir: Path) -> Experiment:
    """What study.json says of the experiment; its function is not there, and not needed."""

    def not_here(trial: Any) -> None:
        raise ResultsError("a repair trains nothing")

    try:
        stored = kept.experiment.without_code() | {"dataset": None, "objective": not_here}
        return Experiment(kept.experiment.name, kept.settled_space(), **stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"{study_dir / STUDY_FILE} is not one that tuner wrote: {type(error).__name__} {error}"
        ) from None


def _mend_log(path: Path) -> Iterator[str]:
    """Leave out the lines of the report log that are damaged."""
    if cut := cut_unfinished(path):
        yield f"{REPORT_LOG_FILE}: cut {cut} unfinished bytes at its end"
    good = bad = 0
    for _, line in lines(path):
        good, bad = good + _is_entry(line), bad + (not _is_entry(line))
    if bad:
        _copy(path, path.with_name(path.name + BROKEN))
        with replacing(path) as file:
            file.writelines(line for _, line in lines(path) if _is_entry(line))
        yield (
            f"{REPORT_LOG_FILE}: left out {bad} damaged lines of {good + bad}; as it was, it is "
            f"{path.name}{BROKEN}"
        )


def _is_entry(line: bytes) -> bool:
    try:
        read_entry(line)
    except Damaged:
        return False
    return True


def _set_aside_parts(folder: Path) -> Iterator[str]:
    """Parts that cannot be read make place: the newest is made anew from the log."""
    for part in sorted(folder.glob("part-*.parquet")):
        if not _readable(part, read_part):
            part.rename(part.with_name(f".{part.name}{BROKEN}"))
            yield (
                f"{REPORTS_FOLDER}/{part.name}: cannot be read; the reports that the log holds are "
                f"written anew, the file itself is .{part.name}{BROKEN}"
            )


def _readable(path: Path, read: Callable[[Path], object] = read_parquet) -> bool:
    try:
        read(path)
    except ResultsError:
        return False
    return True

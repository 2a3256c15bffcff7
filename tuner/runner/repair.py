"""A study's tables made anew from its ledger and its report log, whatever became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tuner.errors import ResultsError
from tuner.experiment.experiment import Experiment
from tuner.files import cut_unfinished_line, put_bytes
from tuner.search_space.space import SearchSpace
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
from tuner.store.parquet import put_parquet, read_parquet
from tuner.store.reports_table import Report, ReportStore
from tuner.store.study_json import read_study_json, resumed_storage
from tuner.store.trials_table import trials_table
from tuner.study.restore import check_whole, last_attempts, record_of
from tuner.study.study import Study
from tuner.trial.cells import State

BROKEN = ".broken"
"""What a file that cannot be read is called from then on: nothing is thrown away."""


def repair(study_dir: Path, storage: str | None = None) -> list[str]:
    """Make a study's tables anew; a line for each thing that was done.

    Raises ResultsError where study.json or the ledger itself is broken, of which all else is made,
    and StudyError while a run holds the study: neither changes anything.
    """
    content = read_study_json(study_dir)
    url = resumed_storage(content, storage)
    if url is None and not (study_dir / JOURNAL_FILE).is_file():
        raise ResultsError(f"{study_dir} has no {JOURNAL_FILE}, of which its tables are made")
    experiment = _experiment(content, study_dir)
    with locked(study_dir), ledger_locked(url, study_dir.name):
        said = []
        if url is None and cut_unfinished_line(study_dir / JOURNAL_FILE):
            said.append(f"{JOURNAL_FILE}: cut a half line at its end")
        backend = journal_storage(study_dir) if url is None else url_storage(url)
        ledger = Ledger(study_dir.name, experiment.direction, backend)
        said += _mend_log(study_dir / REPORT_LOG_FILE)
        said += _set_aside_parts(study_dir / REPORTS_FOLDER)
        study = Study(experiment, ledger)
        last = last_attempts(study)
        check_whole(last, set())
        records = [record_of(study, n, a) for n, a in sorted(last.items())]
        ledger.disconnect()
        with closing(ReportStore(study_dir)) as store:
            store.fill_gaps()
            check_whole(last, store.trials())
            for record in records:
                if record.state is not State.RUNNING:
                    for fold in record.cells:
                        store.finish((record.trial, fold))
        table = trials_table(records, SearchSpace(experiment.space), experiment.engine)
        if not _readable(study_dir / TRIALS_FILE):
            said.append(f"{TRIALS_FILE}: was missing or broken, and is made anew")
        put_parquet(study_dir / TRIALS_FILE, table)
    return [*said, f"{study_dir}: {len(records)} trials in its tables, as the ledger has them"]


def _experiment(content: dict[str, Any], study_dir: Path) -> Experiment:
    """What study.json says of the experiment; its function is not there, and not needed."""

    def not_here(trial: Any) -> None:
        raise ResultsError("a repair trains nothing")

    try:
        stored = {**content["experiment"], "dataset": None, "objective": not_here}
        return Experiment(**{**stored, "space": SearchSpace.from_json(content["space"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"{study_dir / STUDY_FILE} is none that tuner wrote: {type(error).__name__} {error}"
        ) from None


def _mend_log(path: Path) -> Iterator[str]:
    """Leave out the lines of the report log that are no reports."""
    cut = cut_unfinished_line(path)
    if cut:
        yield f"{REPORT_LOG_FILE}: cut a half line at its end"
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    good = [line for line in lines if _is_report(line)]
    if len(good) < len(lines):
        path.with_name(path.name + BROKEN).write_bytes(b"".join(lines))
        put_bytes(path, b"".join(good))
        yield (
            f"{REPORT_LOG_FILE}: left out {len(lines) - len(good)} lines that are none of tuner's; "
            f"as it was, it is {path.name}{BROKEN}"
        )


def _is_report(line: bytes) -> bool:
    try:
        content = json.loads(line)
        return isinstance(content.get("part"), int) or Report(**content) is not None
    except (ValueError, TypeError, AttributeError):
        return False


def _set_aside_parts(folder: Path) -> Iterator[str]:
    """Parts that cannot be read make place: the newest is made anew from the log."""
    for part in sorted(folder.glob("part-*.parquet")):
        if not _readable(part):
            part.rename(part.with_name(f".{part.name}{BROKEN}"))
            yield (
                f"{REPORTS_FOLDER}/{part.name}: cannot be read; the reports that the log holds are "
                f"written anew, the file itself is .{part.name}{BROKEN}"
            )


def _readable(path: Path) -> bool:
    try:
        read_parquet(path)
    except ResultsError:
        return False
    return True

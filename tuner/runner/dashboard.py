"""Optuna's dashboard on a study's ledger, live while it runs; extra `dashboard`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tuner.errors import StudyError
from tuner.runner.serving import serve_app
from tuner.store.damage import reading
from tuner.store.layout import JOURNAL_FILE
from tuner.store.ledger import shown_url, unreachable
from tuner.store.passwords import Ask
from tuner.store.resume_checks import resumed_storage
from tuner.store.study_json import StudyFile


class _ReadOnly(JournalFileBackend):
    """A journal to look at: its one writer is the run that holds the study's lock."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise StudyError("the dashboard only shows a study; tuner writes it")


def watched_storage(study_dir: Path, storage: str | None, ask: Ask | None = None) -> BaseStorage:
    """The ledger of a study to look at: its journal, or the database that `storage` names.

    Raises ResultsError where no study is, and StudyError where its ledger cannot be opened.
    """
    with reading(study_dir):
        url = resumed_storage(StudyFile.read(study_dir).storage, storage, ask)
        if url is not None:
            return _watched_database(url)
        journal = study_dir / JOURNAL_FILE
        if not journal.is_file():
            raise StudyError(f"{journal} is missing: there is no ledger to show")
        return JournalStorage(_ReadOnly(str(journal)))


def _watched_database(url: str) -> BaseStorage:
    """A database as it is: neither a table nor a missing file is made."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    hidden = shown_url(url)
    file = make_url(url).database
    if url.startswith("sqlite") and not (file and Path(file).is_file()):
        raise StudyError(f"{hidden} is missing: there is no ledger to show")
    try:
        return RDBStorage(url, skip_table_creation=True)
    except (ImportError, SQLAlchemyError, StorageInternalError) as error:
        raise StudyError(unreachable(url, error)) from None


def serve(
    study_dir: Path,
    storage: str | None,
    host: str,
    port: int,
    say: Callable[[str], None],
    ask: Ask | None = None,
) -> None:
    """Serve the dashboard until Ctrl-C. Raises StudyError where it cannot be served."""
    if find_spec("optuna_dashboard") is None:
        raise StudyError("the dashboard needs optuna-dashboard: pip install 'tuner[dashboard]'")
    ledger = watched_storage(study_dir, storage, ask)
    from optuna_dashboard import wsgi

    serve_app(wsgi(ledger), host, port, "/dashboard", lambda link: say(f"{study_dir} on {link}"))

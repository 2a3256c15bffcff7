"""Optuna's dashboard on a study's ledger, live while it runs; extra `dashboard`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from tuner.errors import StudyError
from tuner.store.layout import JOURNAL_FILE
from tuner.store.ledger import url_storage
from tuner.store.study_json import read_study_json, resumed_storage


class _ReadOnly(JournalFileBackend):
    """A journal to look at: its one writer is the run that holds the study's lock."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise StudyError("the dashboard only shows a study; tuner writes it")


def watched_storage(study_dir: Path, storage: str | None) -> BaseStorage:
    """The ledger of a study to look at: its journal, or the database that `storage` names.

    Raises ResultsError where no study is, and StudyError where its ledger cannot be opened.
    """
    url = resumed_storage(read_study_json(study_dir), storage)
    if url is not None:
        return url_storage(url)
    journal = study_dir / JOURNAL_FILE
    if not journal.is_file():
        raise StudyError(f"{journal} is missing: there is no ledger to show")
    return JournalStorage(_ReadOnly(str(journal)))


def serve(
    study_dir: Path, storage: str | None, host: str, port: int, say: Callable[[str], None]
) -> None:
    """Serve the dashboard until Ctrl-C. Raises StudyError where it cannot be served."""
    if find_spec("optuna_dashboard") is None:
        raise StudyError("the dashboard needs optuna-dashboard: pip install 'tuner[dashboard]'")
    ledger = watched_storage(study_dir, storage)
    from optuna_dashboard import run_server

    say(f"{study_dir} on http://{host}:{port}/dashboard, until Ctrl-C")
    if not _is_loopback(host):
        say(f"{host} is no loopback address: whoever reaches it sees the study, without a password")
    try:
        run_server(ledger, host=host, port=port)
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}",
            field="port",
            way_out="give another",
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

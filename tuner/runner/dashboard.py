"""Optuna's dashboard on a study's ledger, live while it runs; extra `dashboard`."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from tuner.errors import StudyError
from tuner.runner.guarded import guarded
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

    token = None if _is_loopback(host) else secrets.token_urlsafe(24)
    hosts = [f"{name}:{port}" for name in _names(host)]
    app = guarded(wsgi(ledger), hosts, token)
    try:
        with make_server(host, port, app, server_class=_Server, handler_class=_Quiet) as server:
            link = f"http://{hosts[0]}/dashboard" + (f"?token={token}" if token else "")
            say(f"{study_dir} on {link}, until Ctrl-C")
            server.serve_forever()
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}",
            field="port",
            way_out="give another",
        ) from None


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of a request: its line may hold the token."""


def _names(host: str) -> list[str]:
    """What readers may call a host: every interface has the machine's names and addresses."""
    if host in ("0.0.0.0", "::", ""):
        name = socket.gethostname()
        found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
        return [name, *sorted(_bracketed(address) for address in found), "localhost", "127.0.0.1"]
    return [_bracketed(host), *(["localhost", "127.0.0.1"] if _is_loopback(host) else [])]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

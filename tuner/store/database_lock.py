"""One driver a study where the ledger is a database: PostgreSQL anywhere, SQLite on one machine."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError
from tuner.store.folder import file_locked
from tuner.store.ledger import shown_url, unreachable

if TYPE_CHECKING:
    import sqlalchemy as sa

CHECK_S = 10.0
"""How often to ask whether the connection that holds the lock still stands."""
KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
"""Of libpq's drivers: a network that fell silent is noticed in half a minute, not in hours."""

_TAKE = "SELECT pg_try_advisory_lock(:key)"
_HOLDER = (
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() "
    "AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
)


@contextmanager
def ledger_locked(
    url: str | None, study: str, on_loss: Callable[[StudyError], None] = lambda error: None
) -> Iterator[None]:
    """Hold a study's lock in its database, which ends with this process however it ends.

    PostgreSQL: an advisory lock of a connection of its own, whose name says who holds it. SQLite: a
    locked file beside the database. Other databases, and None, have no such lock: there the lock of
    the study's folder alone counts. Raises StudyError naming the host and process that hold it, or
    why the database cannot be reached.

    The lock goes with its connection, and another driver may then take it: when the connection is
    lost, `on_loss` is called, from a thread, again and again, with the error that should end the
    run.
    """
    if url is None or not url.startswith("postgresql"):
        with (
            nullcontext() if (file := _lock_file(url, study)) is None else file_locked(file, study)
        ):
            yield
        return
    import sqlalchemy as sa

    key = int.from_bytes(hashlib.sha256(f"tuner {study}".encode()).digest()[:8]) >> 1
    try:
        connection = _connection(url)
    except (ImportError, sa.exc.SQLAlchemyError) as error:
        raise StudyError(unreachable(url, error)) from None
    with connection:
        if not connection.scalar(sa.text(_TAKE), {"key": key}):
            holder = connection.scalar(sa.text(_HOLDER), {"key": key}) or "another process"
            raise StudyError(f"study {study!r} is being run by {holder}; wait for it, or end it")
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(connection, over, study, on_loss))
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()


def _lock_file(url: str | None, study: str) -> Path | None:
    """The lock beside a study's SQLite database; None where the ledger is something else."""
    if url is None or not url.startswith("sqlite"):
        return None
    import sqlalchemy as sa

    shown_url(url)
    database = sa.make_url(url).database
    if not database or ":memory:" in database:
        return None
    digest = hashlib.sha256(study.encode()).hexdigest()[:12]
    return Path(f"{database}.{digest}.lock")


def _connection(url: str) -> sa.Connection:
    import sqlalchemy as sa
    from sqlalchemy.pool import NullPool

    name = f"process {os.getpid()} on {socket.gethostname()}"[:63]
    arguments: dict[str, Any] = {"application_name": name}
    if sa.make_url(url).get_dialect().driver in ("psycopg", "psycopg2"):
        arguments |= KEEPALIVES
    engine = sa.create_engine(
        url, poolclass=NullPool, connect_args=arguments, isolation_level="AUTOCOMMIT"
    )
    return engine.connect()


def _watch(
    connection: sa.Connection,
    over: threading.Event,
    study: str,
    on_loss: Callable[[StudyError], None],
) -> None:
    """Until `over`: ask through the connection, and say when it no longer answers."""
    import sqlalchemy as sa

    while not over.wait(CHECK_S):
        try:
            connection.scalar(sa.text("SELECT 1"))
        except sa.exc.SQLAlchemyError:
            on_loss(
                StudyError(
                    f"the connection to the database that held study {study!r} for this process "
                    "was lost, so the run was stopped; go on with `resume`"
                )
            )

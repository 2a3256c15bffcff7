"""One driver a study where the ledger is a PostgreSQL database, wherever the drivers run."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tuner.errors import StudyError
from tuner.ledger import unreachable

_TAKE = sa.text("SELECT pg_try_advisory_lock(:key)")
_HOLDER = sa.text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
    "AND ((l.classid::bigint << 32) | l.objid::bigint) = :key"
)


@contextmanager
def ledger_locked(url: str | None, study: str) -> Iterator[None]:
    """Hold a study's lock in its database, which ends with this process however it ends.

    An advisory lock of a connection of its own, whose name says who holds it. Other databases, and
    None, have no such lock: there the lock of the study's folder alone counts. Raises StudyError
    naming the host and process that hold it, or why the database cannot be reached.
    """
    if url is None or not url.startswith("postgresql"):
        yield
        return
    key = int.from_bytes(hashlib.sha256(f"tuner {study}".encode()).digest()[:8]) >> 1
    name = f"process {os.getpid()} on {socket.gethostname()}"[:63]
    try:
        engine = sa.create_engine(
            url,
            poolclass=NullPool,
            connect_args={"application_name": name},
            isolation_level="AUTOCOMMIT",
        )
        connection = engine.connect()
    except (ImportError, sa.exc.SQLAlchemyError) as error:
        raise StudyError(unreachable(url, error)) from None
    with connection:
        if not connection.scalar(_TAKE, {"key": key}):
            holder = connection.scalar(_HOLDER, {"key": key}) or "another process"
            raise StudyError(f"study {study!r} is being run by {holder}; wait for it, or end it")
        yield

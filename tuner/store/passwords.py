"""The password of a ledger's URL: it is kept nowhere, and found again each time.

A URL that is shown or kept has `***` in its place. What stands for it is looked up in the
environment (TUNER_STORAGE), in ~/.pgpass as libpq does, and asked for on the terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.errors import StudyError
from tuner.store.ledger import shown_url

if TYPE_CHECKING:
    from sqlalchemy import URL

STORAGE = "TUNER_STORAGE"
"""Where the environment may hold the ledger's URL: the words of a command are seen by everybody."""
HIDDEN = "***"

Ask = Callable[[str], str]
"""Asks for a password on the terminal, unseen; what it is told names whose."""


def with_password(url: str, ask: Ask | None = None) -> str:
    """The URL with the password that `***` stands for; one without `***` as it is.

    Raises StudyError where nobody knows it.
    """
    from sqlalchemy import make_url

    hidden = shown_url(url)
    known = os.environ.get(STORAGE)
    parsed = make_url(url)
    if parsed.password != HIDDEN and HIDDEN not in parsed.query.values():
        return url
    if known and known != url and shown_url(known) == hidden:
        return known
    password = next(_of_passfile(parsed), None)
    if password is None and ask is not None:
        password = ask(f"password of {hidden}")
    if not password or HIDDEN in parsed.query.values():
        raise StudyError(
            f"the study's ledger is {hidden}",
            field="storage",
            way_out=f"give its password too, best in the environment, as {STORAGE}, "
            "or in ~/.pgpass",
        )
    return parsed.set(password=password).render_as_string(hide_password=False)


def _of_passfile(url: URL) -> Iterator[str]:
    """The passwords that PostgreSQL's password file has for a URL; the first is the one.

    Each line is host:port:database:user:password, `*` stands for any, and `\\` keeps the next
    character. As libpq does, a file that others may read is not used.
    """
    if not url.drivername.startswith("postgresql"):
        return
    file = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    if not file.is_file() or file.stat().st_mode & 0o077:
        return
    wanted = (url.host or "localhost", str(url.port or 5432), url.database, url.username)
    for line in file.read_text().splitlines():
        fields = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", line)]
        matches = zip(fields, wanted, strict=False)
        if len(fields) == 5 and all(field in ("*", want) for field, want in matches):
            yield fields[4]

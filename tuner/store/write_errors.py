"""What a run says when its disk, or its ledger's database, takes no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError

from tuner.errors import ResultsError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a ResultsError what the disk, or the ledger's database, refused meanwhile."""
    try:
        yield
    except (OSError, StorageInternalError, _database_error()) as error:
        if isinstance(error, ConnectionError):  # of a network, and no file
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).partition("\n")[0].split())
        raise ResultsError(
            f"study {path} cannot be written ({reason}); what was reported is kept: mend that, and "
            "go on with `resume`"
        ) from error


def _database_error() -> type[Exception]:
    from sqlalchemy.exc import SQLAlchemyError  # a tenth of a second, at every start

    return SQLAlchemyError

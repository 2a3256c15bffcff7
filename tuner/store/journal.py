"""The ledger's file: Optuna's journal, which tuner alone writes while the study's lock is held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from tuner.files import AppendFile


class Journal(JournalFileBackend):
    """Optuna's file, with a write that no half line survives, and an fsync for many.

    Optuna's own takes a lock file, which outlives a killed process by 30 s (the study's lock is
    held anyway), syncs the disk six times a trial, and appends to what a full disk left of a line.
    """

    def __init__(self, path: Path) -> None:
        self._file = AppendFile(path)
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines to the journal."""
        lines = (json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._file.append("".join(lines).encode())

    def sync(self) -> None:
        """Put all on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Put all on the disk. It can't be written any more."""
        self._file.close()

"""Importance, kept beside the tables that it was worked out from: importance.json in the folder.

It is most of a report's time at 1,000 trials. What stands there holds as long as the study's files
have the bytes that it names; anything else in its place is worked out anew and written over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from analysis.facts.fidelity import course, measures
from analysis.facts.importance import importances
from analysis.loading import Tables
from analysis.shares import Importance
from tuner.files import put_bytes
from tuner.store.layout import IMPORTANCE_FILE, REPORTS_FOLDER, STUDY_FILE, TRIALS_FILE

Importances = Mapping[str, Mapping[str, Importance | None]]
_FORM = TypeAdapter(dict[str, dict[str, Importance | None]])


def stamp(folder: Path) -> str:
    """SHA-256 of the files that importance follows from."""
    made = hashlib.sha256()
    parts = sorted((folder / REPORTS_FOLDER).glob("[!.]*"))
    for path in (folder / STUDY_FILE, folder / TRIALS_FILE, *parts):
        made.update(hashlib.sha256(path.read_bytes()).digest())
    return made.hexdigest()


def kept_importance(folder: Path, of: str) -> Importances | None:
    """What was kept of a study whose files have the stamp `of`, else None."""
    try:
        content = json.loads((folder / IMPORTANCE_FILE).read_bytes())
        return _FORM.validate_python(content["importance"]) if content["of"] == of else None
    except (OSError, LookupError, TypeError, ValueError, RecursionError, ValidationError):
        return None  # it is derived: what cannot be read is made anew


def keep_importance(folder: Path, of: str, importance: Importances) -> None:
    """Write it. Raises OSError where the folder takes no file."""
    form = {key: {name: one and asdict(one) for name, one in both.items()}
            for key, both in importance.items()}  # fmt: skip
    text = json.dumps({"of": of, "importance": form}, indent=1)
    put_bytes(folder / IMPORTANCE_FILE, text.encode())


def first_of(found: Importances) -> Importance | None:
    """What explains the results of all trials, by the first measure that has any importance."""
    return next((both["all"] for both in found.values() if both.get("all") is not None), None)


def importance_in(tables: Tables) -> Importances:
    """The importance of one study, whose tables are as they lie in its folder.

    What was kept there is taken where it still holds; else it is worked out, and kept where the
    folder takes a file.
    """
    tables = tables._replace(trials=tables.trials.sort_values("trial", ignore_index=True))
    place = _place(tables)
    known = None if place is None else kept_importance(*place)
    if known is not None:
        return known
    made = importances(tables, measures(tables, course(tables)))
    if place is not None:
        with suppress(OSError):  # the folder may be another's, who lets us read
            keep_importance(*place, made)
    return made


def kept_of(tables: Tables) -> Importances | None:
    """What was kept of one study and still holds, else None; nothing is worked out."""
    place = _place(tables)
    return None if place is None else kept_importance(*place)


def _place(tables: Tables) -> tuple[Path, str] | None:
    """One study's folder and its stamp; None where it lies at a URI."""
    folder = Path(tables.studies["path"].iloc[0])
    return (folder, stamp(folder)) if folder.is_dir() else None

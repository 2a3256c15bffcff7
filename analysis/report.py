"""`tuner report`: what a study searched, how, and what it found, as one HTML file.

The file needs no network. `analysis.page` is the page; several studies stand side by side in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.comparison import compare
from analysis.facts.kept import importance_in
from analysis.facts.study import facts
from analysis.facts.words import number
from analysis.loading import Tables, load
from analysis.page.render import Comparison, page
from analysis.summaries import overview
from tuner.errors import ResultsError
from tuner.files import put_bytes
from tuner.store.damage import reading
from tuner.store.layout import PARAM_PREFIX


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of one study, or of several with a comparison; its path.

    Without `out` it is `report.html` in the study's folder, or in the folder that all lie in.
    Raises ResultsError where a folder is not a study's, or the file cannot be written.
    """
    with reading(" ".join(map(str, folders))):
        text = report(load(folders)).encode("utf-8", "backslashreplace")
    path = out or _default_place(folders) / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        put_bytes(path, text)
    except OSError as error:
        raise ResultsError(
            f"{path} cannot be written ({error.strerror})", field="out", way_out="give another"
        ) from None
    return path


def report(tables: Tables) -> str:
    """The HTML of a report. What of it takes long is kept in the studies' folders."""
    names = list(tables.studies["study"])
    comparison = _comparison(tables) if len(names) > 1 else None
    apart = [tables.only(name) for name in names]
    return page([facts(one, importance_in(one)) for one in apart], comparison)


def _default_place(folders: Sequence[Path]) -> Path:
    if len(folders) == 1 and (folders[0] / "study.json").is_file():
        return folders[0]
    return folders[0] if len(folders) == 1 else folders[0].resolve().parent


def _comparison(tables: Tables) -> Comparison:
    names = tables.studies[["metric", "direction"]].drop_duplicates()
    found = compare(tables) if len(names) == 1 else overview(tables)
    head = [str(name).removeprefix(PARAM_PREFIX) for name in found]
    return Comparison(head, [list(map(_text, row)) for row in found.itertuples(index=False)])


def _text(value: Any) -> str:
    if not isinstance(value, str) and pd.isna(value):
        return ""
    return number(value) if isinstance(value, float) else str(value)

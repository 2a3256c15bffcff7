"""`tuner report`: what a study searched, how, and what it found, as one HTML file.

The file needs no network: plotly's script is in it. `report.html.j2` is the page, of which Jinja2
escapes whatever a user named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.agreement import disagreement
from analysis.comparison import compare
from analysis.loading import Tables, load, params_of, the_study
from analysis.plots_training import suited
from analysis.summaries import overview, summary
from tuner.errors import ResultsError
from tuner.files import put_bytes
from tuner.shown import redacted, shown
from tuner.store.damage import reading
from tuner.store.layout import PARAM_PREFIX

EXTREMES = {"maximize": "highest", "minimize": "lowest"}
ROWS = 50
"""Trials in the table of a study: the best; the Parquet file has them all."""
LONG = 40
"""Letters of a text that gets a wide column."""


@dataclass(frozen=True)
class Table:
    """Named columns, or none where every name is blank; a cell is its text and its CSS class."""

    head: Sequence[str]
    rows: Sequence[Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Figure:
    """Where a figure is drawn: the element's id, and pixels."""

    id: str
    title: Markup
    min_width: int
    height: int


@dataclass(frozen=True)
class Answer:
    """The best trial of a study, as the page says it."""

    value: str
    extreme: str
    trial: int
    params: str


@dataclass(frozen=True)
class Study:
    """What the page says of one study."""

    name: str
    about: str
    metric: str
    answer: Answer | None
    doubt: str | None
    space: Table
    how: Table
    figures: Sequence[Figure]
    trials: Table
    more: str
    command: str
    origin: str


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
    """The HTML of a report."""
    names = list(tables.studies["study"])
    drawn: dict[str, go.Figure] = {}
    page = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html.j2")
    # A tag inside a string would end the script that holds it, or begin a comment in it.
    return page.render(
        title=", ".join(names),
        comparison=_comparison(tables) if len(names) > 1 else None,
        studies=[_study(tables.only(name), drawn, f"study{i}") for i, name in enumerate(names)],
        plotly=Markup(get_plotlyjs()),
        figures=Markup(
            json.dumps({name: json.loads(figure.to_json()) for name, figure in drawn.items()})
            .replace("<", "\\u003c")
        ),
    )  # fmt: skip


def _visible(value: Any) -> Any:
    """What a page says, with control characters spelt out."""
    return value if isinstance(value, Markup) else shown(str(value))


def _default_place(folders: Sequence[Path]) -> Path:
    if len(folders) == 1 and (folders[0] / "study.json").is_file():
        return folders[0]
    return folders[0] if len(folders) == 1 else folders[0].resolve().parent


def _study(tables: Tables, drawn: dict[str, go.Figure], prefix: str) -> Study:
    study = the_study(tables.studies)
    board = summary(tables).drop(columns="study")
    board = board.drop(columns=[n for n in ("value_std", "epochs_saved") if not board[n].any()])
    more = f"The best {ROWS} of {len(board)}. " if len(board) > ROWS else ""
    return Study(
        name=study["study"],
        about=study["description"] or study["mode"],
        metric=study["metric"],
        answer=_answer(tables),
        doubt=disagreement(tables),
        space=_space(study),
        how=_how(tables),
        figures=[
            _figure(figure, drawn, f"{prefix}-figure{index}")
            for index, figure in enumerate(suited(tables))
        ],
        trials=_table(board.head(ROWS)),
        more=f"{more}All of them: {study['path']}/trials.parquet",
        command=redacted(study["command"]),
        origin=_origin(study),
    )


def _figure(figure: go.Figure, drawn: dict[str, go.Figure], name: str) -> Figure:
    """Keep the figure to be drawn under `name`; its title stands above it, not in it."""
    title = Markup(figure.layout.title.text)  # escaped already, for plotly
    figure.update_layout(title=None, margin_t=60)
    drawn[name] = figure
    width = (figure.layout.meta or {}).get("min_width", 0)
    return Figure(name, title, width, figure.layout.height or 420)


def _answer(tables: Tables) -> Answer | None:
    study, total = the_study(tables.studies), overview(tables).iloc[0]
    if pd.isna(total["best_trial"]):
        return None
    row = tables.trials.set_index("trial").loc[int(total["best_trial"])]
    value = _number(row["value"])
    if pd.notna(row["value_std"]):
        value += f" ± {_number(row['value_std'])}"
    names = params_of(tables.trials)
    params = {n: row[PARAM_PREFIX + n] for n in names if not pd.isna(row[PARAM_PREFIX + n])}
    chosen = ", ".join(f"{name} {_number(value)}" for name, value in params.items())
    return Answer(value, EXTREMES[study["direction"]], int(total["best_trial"]), chosen)


def _space(study: pd.Series) -> Table:
    rows = []
    for name, axis in json.loads(study["space"]).items():
        if axis["kind"] == "constant":
            values = f"{axis['value']}"
        elif "choices" in axis:
            values = ", ".join(str(choice) for choice in axis["choices"])
        else:
            values = f"{axis['low']} to {axis['high']}" + (", log" if axis.get("log") else "")
        if study["mode"] != "search" and axis.get("grid"):
            values = ", ".join(str(value) for value in axis["grid"])
        when = ", ".join(f"{k} = {v}" for k, v in (axis.get("when") or {}).items())
        rows.append({"parameter": name, "kind": axis["kind"], "values": values, "when": when})
    frame = pd.DataFrame(rows, columns=["parameter", "kind", "values", "when"])
    return _table(frame if frame["when"].any() else frame.drop(columns="when"))


def _how(tables: Tables) -> Table:
    study, total = the_study(tables.studies), overview(tables).iloc[0]
    judge = study["scheduler"]
    if study["has_rungs"]:
        judge += f" (eta {study['eta']}, from epoch {study['min_epochs']})"
    states = [
        f"{total[state]} {state}"
        for state in ("COMPLETE", "STOPPED", "DIVERGED", "FAILED", "RUNNING")
        if total[state]
    ]
    epochs = f"{total['epochs']} trained"
    for count, why in ((total["epochs_saved"], "early ends"), (total["epochs_shared"], "sharing")):
        epochs += f", {count} saved by {why}" if count else ""
    facts = {
        "mode": study["mode"] + (f", {study['cells']} folds" if study["mode"] == "cv" else ""),
        "goal": f"{study['direction']} {study['metric']}, of the {study['value_rule']} epoch",
        "sampler": study["sampler"],
        "scheduler": judge,
        "engine": study["engine"],
        "data": "none" if pd.isna(study["dataset"]) else study["dataset"],
        "judged on": "the test set" if study["validation"] == "test" else "a validation split",
        "trials": ", ".join(states),
        "epochs": epochs,
        "time": f"{total['wall_s']:.0f} s; {total['work_s']:.0f} s of work",
    }
    return _table(pd.DataFrame({"": facts.keys(), " ": facts.values()}))


def _origin(study: pd.Series) -> str:
    """What a second run needs to come to the same study, a fact a line."""
    versions = ", ".join(f"{name} {v}" for name, v in json.loads(study["versions"]).items())
    data = [] if pd.isna(study["fingerprint"]) else [f"data fingerprint: {study['fingerprint']}"]
    lines = [f"seed: {study['seed']}", *data, f"begun: {study['created_at']}"]
    return "\n".join([*lines, f"versions: {versions}"])


def _comparison(tables: Tables) -> Table:
    names = tables.studies[["metric", "direction"]].drop_duplicates()
    return _table(compare(tables) if len(names) == 1 else overview(tables))


def _table(frame: pd.DataFrame) -> Table:
    head = [str(name).removeprefix(PARAM_PREFIX) for name in frame]
    rows = [_cells(row) for row in frame.itertuples(index=False, name=None)]
    return Table(head if any(name.strip() for name in head) else [], rows)


def _cells(row: Iterable[Any]) -> list[tuple[str, str]]:
    cells = []
    for value in row:
        text = isinstance(value, str)
        kind = "long" if text and len(value) > LONG else "" if text else "number"
        cells.append((_number(value), kind))
    return cells


def _number(value: Any) -> str:
    if not isinstance(value, str) and pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)

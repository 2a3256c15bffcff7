"""`tuner report`: what a study searched, how, and what it found, as one HTML file.

The file needs no network: plotly's script is in it. Whatever a user named is escaped.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

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


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of one study, or of several with a comparison; its path.

    Without `out` it is `report.html` in the study's folder, or in the folder that all lie in.
    Raises ResultsError where a folder is no study's, or the file cannot be written.
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
    figures: dict[str, go.Figure] = {}
    parts = [_comparison(tables)] if len(names) > 1 else []
    parts += [_study(tables.only(name), figures, f"study{i}") for i, name in enumerate(names)]
    # A tag inside a string would end the script that holds it, or begin a comment in it.
    drawn = {name: json.loads(figure.to_json()) for name, figure in figures.items()}
    template = Template((files("analysis") / "report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_text(", ".join(names)),
        body="\n".join(parts),
        plotly=get_plotlyjs(),
        figures=json.dumps(drawn).replace("<", "\\u003c"),
    )


def _default_place(folders: Sequence[Path]) -> Path:
    if len(folders) == 1 and (folders[0] / "study.json").is_file():
        return folders[0]
    return folders[0] if len(folders) == 1 else folders[0].resolve().parent


def _study(tables: Tables, figures: dict[str, go.Figure], prefix: str) -> str:
    study = the_study(tables.studies)
    drawn = []
    for index, figure in enumerate(suited(tables)):
        name = f"{prefix}-figure{index}"
        title = figure.layout.title.text
        figure.update_layout(title=None, margin_t=60)
        figures[name] = figure
        width = (figure.layout.meta or {}).get("min_width", 0)
        drawn.append(
            f'<h3>{_text(title)}</h3><div class="scroll"><div class="figure" id="{name}" '
            f'style="min-width: {width}px; height: {figure.layout.height or 420}px"></div></div>'
        )
    return "\n".join(
        [
            f"<h1>{_text(study['study'])}</h1>",
            f'<p class="soft">{_text(study["description"] or study["mode"])}</p>',
            "<h2>The answer</h2>",
            _answer(tables),
            "<h2>What was searched</h2>",
            _space(study),
            "<h2>How</h2>",
            _how(tables),
            "<h2>Figures</h2>" if drawn else "",
            *drawn,
            "<h2>Trials</h2>",
            _trials(tables),
            "<h2>Reproduce it</h2>",
            _reproduce(study),
        ]
    )


def _answer(tables: Tables) -> str:
    study, total = the_study(tables.studies), overview(tables).iloc[0]
    if pd.isna(total["best_trial"]):
        why = "No trial has a value on all of its folds, so there is no best one."
        return f'<div class="answer">{why}</div>'
    row = tables.trials.set_index("trial").loc[int(total["best_trial"])]
    value = f"{_number(row['value'])}"
    if pd.notna(row["value_std"]):
        value += f" ± {_number(row['value_std'])}"
    names = params_of(tables.trials)
    params = {n: row[PARAM_PREFIX + n] for n in names if not pd.isna(row[PARAM_PREFIX + n])}
    chosen = ", ".join(f"{_text(name)} {_number(value)}" for name, value in params.items())
    return (
        f'<div class="answer"><strong>{_text(study["metric"])} {value}</strong> '
        f"({EXTREMES[study['direction']]}), trial {total['best_trial']}"
        f"<p>{chosen}</p></div>"
    )


def _space(study: pd.Series) -> str:
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


def _how(tables: Tables) -> str:
    study, total = the_study(tables.studies), overview(tables).iloc[0]
    judge = study["scheduler"]
    if judge in ("asha", "asha_stopping", "hyperband", "rung_gp"):
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


def _trials(tables: Tables) -> str:
    board = summary(tables).drop(columns="study")
    board = board.drop(columns=[n for n in ("value_std", "epochs_saved") if not board[n].any()])
    shown = board.head(ROWS)
    more = "" if len(board) == len(shown) else f" The best {ROWS} of {len(board)}."
    parquet = _text(f"{the_study(tables.studies)['path']}/trials.parquet")
    return f'{_table(shown)}<p class="soft">{more} All of them: {parquet}</p>'


def _reproduce(study: pd.Series) -> str:
    versions = ", ".join(f"{name} {v}" for name, v in json.loads(study["versions"]).items())
    data = "" if pd.isna(study["fingerprint"]) else f"data fingerprint: {study['fingerprint']}\n"
    return (
        f"<pre>{_text(redacted(study['command']))}</pre>"
        f"<pre>seed: {_text(study['seed'])}\n{_text(data)}begun: {study['created_at']}\n"
        f"versions: {_text(versions)}</pre>"
    )


def _comparison(tables: Tables) -> str:
    names = tables.studies[["metric", "direction"]].drop_duplicates()
    frame = compare(tables) if len(names) == 1 else overview(tables)
    return f"<h1>{len(tables.studies)} studies</h1><h2>Side by side</h2>{_table(frame)}"


def _table(frame: pd.DataFrame) -> str:
    head = "".join(f"<th>{_text(name.removeprefix(PARAM_PREFIX))}</th>" for name in frame)
    head = f"<tr>{head}</tr>" if any(str(name).strip() for name in frame) else ""
    rows = "".join(f"<tr>{_cells(row)}</tr>" for row in frame.itertuples(index=False, name=None))
    return f'<div class="scroll"><table>{head}{rows}</table></div>'


def _cells(row: Iterable[Any]) -> str:
    cells = []
    for value in row:
        kind = "" if isinstance(value, str) else ' class="number"'
        kind = ' class="long"' if isinstance(value, str) and len(value) > 40 else kind
        cells.append(f"<td{kind}>{_number(value)}</td>")
    return "".join(cells)


def _number(value: Any) -> str:
    if not isinstance(value, str) and pd.isna(value):
        return ""
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    return html.escape(shown(str(value)))
